import plugin from 'fastify-plugin'
import { OneTimeTokens } from '../src/accounts/one-time-tokens.js'

declare module 'fastify' {
  interface FastifyInstance {
    oneTimeTokens: OneTimeTokens
  }
}

/** What links and codes are good for, once: accounts use it up, and mail sends it. */
export default plugin(
  async (app) => {
    app.decorate('oneTimeTokens', new OneTimeTokens(app.database, app.secret))
  },
  { name: 'one-time-tokens', dependencies: ['database', 'sessions'] },
)
