import plugin from 'fastify-plugin'
import { OneTimeTokens } from '../src/accounts/one-time-tokens.js'

declare module 'fastify' {
  interface FastifyInstance {
    oneTimeTokens: OneTimeTokens
  }
}

/** One-time tokens of links and codes. Accounts consume them, and mail sends them. */
export default plugin(
  async (app) => {
    app.decorate('oneTimeTokens', new OneTimeTokens(app.database, app.secret))
  },
  { name: 'one-time-tokens', dependencies: ['database', 'sessions'] },
)
