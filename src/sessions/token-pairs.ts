import type { Config } from '../config/config.js'
import { claimsFor, type Grant } from '../tokens/access-tokens.js'
import { makeRefreshToken, type RefreshClaims, readRefreshToken } from '../tokens/refresh-tokens.js'
import type { DerivedKeys, Secret } from '../tokens/secret.js'
import type { Keys } from '../tokens/signing-keys.js'

export interface AccessToken {
  access_token: string
  token_type: 'Bearer'
  /** In seconds. */
  expires_in: number
}

export interface Tokens extends AccessToken {
  refresh_token: string
  /** The granted scope, for clients other than Latchkey itself. */
  scope?: string
}

type SessionGrant = Pick<Grant, 'userId' | 'sessionId' | 'role' | 'roles' | 'proof' | 'clientId' | 'scope'> & {
  /** The default is AUDIENCE. */
  audience?: string
}

interface Dependencies {
  config: Config
  keys: Keys
  secret: Secret
}

/** Makes the tokens of a session: an access token, and a refresh token for the next pair. */
export class TokenPairs {
  readonly #config: Config
  readonly #keys: Keys
  readonly #refreshKeys: DerivedKeys

  constructor({ config, keys, secret }: Dependencies) {
    this.#config = config
    this.#keys = keys
    this.#refreshKeys = secret.derive('refresh-token')
  }

  /** The claims of an authentic refresh token of any generation; otherwise undefined. Does not query the database. */
  read(refreshToken: string): RefreshClaims | undefined {
    return readRefreshToken(refreshToken, this.#refreshKeys)
  }

  /** The token pair of this generation, starting at 0. @throws Problem not_ready when there is no signing key */
  make(grant: SessionGrant, generation: number): Tokens {
    const refreshToken = makeRefreshToken({ sessionId: grant.sessionId, generation }, this.#refreshKeys)
    return {
      ...this.accessToken(grant),
      refresh_token: refreshToken,
      ...(grant.scope !== undefined && { scope: grant.scope }),
    }
  }

  /** An access token without a refresh token. @throws Problem not_ready, as `make` */
  accessToken(grant: SessionGrant): AccessToken {
    const { PUBLIC_URL, AUDIENCE, ACCESS_TOKEN_TTL } = this.#config
    const claims = claimsFor({
      audience: AUDIENCE,
      ...grant,
      ...(isWithoutRoles(grant) && { roles: '' }),
      issuer: PUBLIC_URL,
      lifetimeMs: ACCESS_TOKEN_TTL,
    })
    return { access_token: this.#keys.sign(claims), token_type: 'Bearer', expires_in: claims.exp - claims.iat }
  }
}

/** Another client's token has the claim `roles` only if its scope includes `roles`. */
function isWithoutRoles({ scope }: SessionGrant): boolean {
  return scope !== undefined && !scope.split(' ').includes('roles')
}
