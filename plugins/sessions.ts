import plugin from 'fastify-plugin'
import { Sessions } from '../src/sessions/sessions.js'

declare module 'fastify' {
  interface FastifyInstance {
    sessions: Sessions
  }
}

/** Sessions and their tokens. */
export default plugin(
  async (app) => {
    const { config, database, keys, secret, events, knownNetworks } = app
    app.decorate('sessions', new Sessions({ config, database, keys, secret, events, knownNetworks }))
    await app.sessions.poll()
  },
  { name: 'sessions', dependencies: ['database', 'secret', 'keys', 'events'] },
)
