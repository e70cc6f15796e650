import plugin from 'fastify-plugin'
import { KnownNetworks } from '../src/sessions/known-networks.js'

declare module 'fastify' {
  interface FastifyInstance {
    knownNetworks: KnownNetworks
  }
}

/** From where each account logged in lately. */
export default plugin(
  async (app) => {
    app.decorate('knownNetworks', new KnownNetworks(app.database, app.secret))
  },
  { name: 'known-networks', dependencies: ['database', 'secret'] },
)
