import plugin from 'fastify-plugin'
import { openSecret, type Secret } from '../src/tokens/secret.js'

declare module 'fastify' {
  interface FastifyInstance {
    secret: Secret
  }
}

/** The one secret, from which a key for each purpose is derived. */
export default plugin(
  async (app) => {
    app.decorate('secret', await openSecret(app.config, app.database))
  },
  { name: 'secret', dependencies: ['database'] },
)
