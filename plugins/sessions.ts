import plugin from 'fastify-plugin'
import { BrowserCookies } from '../src/sessions/browser-cookies.js'
import { BrowserSessions } from '../src/sessions/browser-sessions.js'
import { Endings } from '../src/sessions/endings.js'
import { FreshTokens } from '../src/sessions/fresh-tokens.js'
import { KnownNetworks } from '../src/sessions/known-networks.js'
import { Revocations } from '../src/sessions/revocations.js'
import { Rotation } from '../src/sessions/rotation.js'
import { Sessions } from '../src/sessions/sessions.js'
import { TokenPairs } from '../src/sessions/token-pairs.js'
import { DataKey } from '../src/tokens/data-key.js'
import { IdTokenKeys } from '../src/tokens/id-token-keys.js'
import { LegacyTokens } from '../src/tokens/legacy-tokens.js'
import { openSecret, type Secret } from '../src/tokens/secret.js'
import { Keys } from '../src/tokens/signing-keys.js'

declare module 'fastify' {
  interface FastifyInstance {
    secret: Secret
    keys: Keys
    idTokenKeys: IdTokenKeys
    dataKey: DataKey
    knownNetworks: KnownNetworks
    revocations: Revocations
    tokenPairs: TokenPairs
    endings: Endings
    sessions: Sessions
    browserSessions: BrowserSessions
    rotation: Rotation
    freshTokens: FreshTokens
    legacyTokens: LegacyTokens
  }
  interface FastifyContextConfig {
    /** The route also accepts legacy tokens (LEGACY_TOKENS). */
    legacyTokens?: true
  }
}

/** Sessions and their tokens, the secret of the installation, and the signing keys. */
export default plugin(
  async (app) => {
    const { config, database, events } = app
    const secret = await openSecret(config, database)
    const keys = await Keys.open(database, secret)
    const idTokenKeys = await IdTokenKeys.open(database, secret)
    const dataKey = await DataKey.open(database, secret)
    if (config.SECRET_KEY.length > 1) {
      await keys.reseal()
      await idTokenKeys.reseal()
      await dataKey.reseal()
    }
    const knownNetworks = new KnownNetworks(database, secret)
    const pairs = new TokenPairs({ config, keys, secret })
    const revocations = new Revocations(database)
    const endings = new Endings({ database, events, revocations })
    const parts = { config, database, keys, pairs, events, endings }
    app.decorate('secret', secret)
    app.decorate('keys', keys)
    app.decorate('idTokenKeys', idTokenKeys)
    app.decorate('dataKey', dataKey)
    app.decorate('knownNetworks', knownNetworks)
    app.decorate('revocations', revocations)
    app.decorate('tokenPairs', pairs)
    const sessions = new Sessions({ ...parts, knownNetworks, revocations })
    const cookies = new BrowserCookies(config, secret.derive('browser-session'))
    app.decorate('endings', endings)
    app.decorate('sessions', sessions)
    app.decorate('browserSessions', new BrowserSessions({ config, database, cookies, sessions }))
    app.decorate('rotation', new Rotation(parts))
    app.decorate('freshTokens', new FreshTokens(parts))
    app.decorate('legacyTokens', new LegacyTokens(database, config))
    await revocations.poll()
  },
  { name: 'sessions', dependencies: ['database', 'events'] },
)
