import plugin from 'fastify-plugin'
import { LegacyTokens } from '../src/tokens/legacy-tokens.js'

declare module 'fastify' {
  interface FastifyInstance {
    legacyTokens: LegacyTokens
  }
  interface FastifyContextConfig {
    /** Also takes tokens of LEGACY_TOKENS. */
    legacyTokens?: true
  }
}

/** The tokens of the system that people came from, where a route takes them. */
export default plugin(
  async (app) => {
    app.decorate('legacyTokens', new LegacyTokens(app.database, app.config))
  },
  { name: 'legacy-tokens', dependencies: ['database'] },
)
