import plugin from 'fastify-plugin'
import { Keys } from '../src/tokens/signing-keys.js'

declare module 'fastify' {
  interface FastifyInstance {
    keys: Keys
  }
}

/** The keys that sign and verify access tokens. */
export default plugin(
  async (app) => {
    app.decorate('keys', await Keys.open(app.database, app.secret))
  },
  { name: 'keys', dependencies: ['database', 'secret'] },
)
