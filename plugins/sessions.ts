import plugin from 'fastify-plugin'
import { KnownNetworks } from '../src/sessions/known-networks.js'
import { Sessions } from '../src/sessions/sessions.js'
import { LegacyTokens } from '../src/tokens/legacy-tokens.js'
import { openSecret, type Secret } from '../src/tokens/secret.js'
import { Keys } from '../src/tokens/signing-keys.js'

declare module 'fastify' {
  interface FastifyInstance {
    secret: Secret
    keys: Keys
    knownNetworks: KnownNetworks
    sessions: Sessions
    legacyTokens: LegacyTokens
  }
  interface FastifyContextConfig {
    /** Also takes tokens of LEGACY_TOKENS. */
    legacyTokens?: true
  }
}

/** Sessions and their tokens, with the one secret and the keys that sign. */
export default plugin(
  async (app) => {
    const { config, database, events } = app
    const secret = await openSecret(config, database)
    const keys = await Keys.open(database, secret)
    const knownNetworks = new KnownNetworks(database, secret)
    const sessions = new Sessions({ config, database, keys, secret, events, knownNetworks })
    app.decorate('secret', secret)
    app.decorate('keys', keys)
    app.decorate('knownNetworks', knownNetworks)
    app.decorate('sessions', sessions)
    app.decorate('legacyTokens', new LegacyTokens(database, config))
    await sessions.poll()
  },
  { name: 'sessions', dependencies: ['database', 'events'] },
)
