import type { Config } from '../config/config.js'
import { claimsFor, type Grant } from '../tokens/access-tokens.js'
import { makeRefreshToken, type RefreshClaims, readRefreshToken } from '../tokens/refresh-tokens.js'
import type { Secret } from '../tokens/secret.js'
import type { Keys } from '../tokens/signing-keys.js'

export interface AccessToken {
  access_token: string
  token_type: 'Bearer'
  /** In seconds. */
  expires_in: number
}

export interface Tokens extends AccessToken {
  refresh_token: string
  /** What a client other than Latchkey's own was granted. */
  scope?: string
}

type SessionGrant = Pick<Grant, 'userId' | 'sessionId' | 'role' | 'roles' | 'proof' | 'clientId' | 'scope'> & {
  /** AUDIENCE where it is not given. */
  audience?: string
}

interface Dependencies {
  config: Config
  keys: Keys
  secret: Secret
}

/** The tokens of a session: an access token, and the refresh token that gets the next pair. */
export class TokenPairs {
  readonly #config: Config
  readonly #keys: Keys
  readonly #refreshKeys: readonly Buffer[]

  constructor({ config, keys, secret }: Dependencies) {
    this.#config = config
    this.#keys = keys
    this.#refreshKeys = secret.derive('refresh-token')
  }

  /** What an authentic refresh token of any generation says; undefined for everything else. Asks no database. */
  read(refreshToken: string): RefreshClaims | undefined {
    return readRefreshToken(refreshToken, this.#refreshKeys)
  }

  /** The pair of this generation; the first one is 0. @throws Problem not_ready when there is no key to sign with */
  make(grant: SessionGrant, generation: number): Tokens {
    const refreshToken = makeRefreshToken({ sessionId: grant.sessionId, generation }, this.#refreshKeys)
    return {
      ...this.accessToken(grant),
      refresh_token: refreshToken,
      ...(grant.scope !== undefined && { scope: grant.scope }),
    }
  }

  /** An access token alone. @throws Problem as `make` */
  accessToken(grant: SessionGrant): AccessToken {
    const { PUBLIC_URL, AUDIENCE, ACCESS_TOKEN_TTL } = this.#config
    const claims = claimsFor({
      ...{ audience: AUDIENCE, ...grant, ...(isWithoutRoles(grant) && { roles: '' }) },
      ...{ issuer: PUBLIC_URL, lifetimeMs: ACCESS_TOKEN_TTL },
    })
    return { access_token: this.#keys.sign(claims), token_type: 'Bearer', expires_in: claims.exp - claims.iat }
  }
}

/** The roles for other services are in another client's token only where its scope names them. */
function isWithoutRoles({ scope }: SessionGrant): boolean {
  return scope !== undefined && !scope.split(' ').includes('roles')
}
