import { createHash } from 'node:crypto'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { wordsOf } from '../clients/scopes.js'
import type { Config } from '../config/config.js'
import type { AuthorizedUser } from '../sessions/client-sessions.js'
import type { IdTokenKeys } from '../tokens/id-token-keys.js'
import { claimsOf, type UserClaimsReader } from './user-claims.js'

const HALF_OF_SHA256 = 16
/** The longest `id_token_hint`: the limit of the request headers. */
export const HINT_MAX_LENGTH = 8_192

/** The user and the client of an id_token. */
export interface IdTokenHint {
  sub: string
  aud: string
}

/** A log-in, as reported to a client. */
export interface LoginProof {
  userId: number
  /** The user, if the log-in has just read the row. */
  user?: AuthorizedUser
  scope: string
  /** The browser session. */
  sid?: string | undefined
  /** Space-separated values of RFC 8176. */
  amr: string
  /** In milliseconds since 1970. */
  authTime: number
  nonce?: string | undefined
}

interface Dependencies {
  config: Pick<Config, 'PUBLIC_URL' | 'ACCESS_TOKEN_TTL'>
  keys: IdTokenKeys
  claims: UserClaimsReader
}

/** id_tokens: OpenID Connect Core, section 2. */
export class IdTokens {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /** The id_token for an access token. Undefined without the scope `openid`. @throws Problem not_ready */
  async make(client: OAuthClient, accessToken: string, proof: LoginProof): Promise<string | undefined> {
    const { config, keys, claims } = this.#dependencies
    const { userId, user: known, scope, sid, amr, authTime, nonce } = proof
    if (!wordsOf(scope).includes('openid')) return undefined
    const user = known ? claimsOf({ id: userId, ...known }, scope) : await claims.read(userId, scope)
    if (user === undefined) return undefined
    const issuedAt = Math.floor(Date.now() / 1_000)
    return keys.sign(client.idTokenAlgorithm, {
      iss: config.PUBLIC_URL,
      aud: client.id,
      ...user,
      iat: issuedAt,
      exp: issuedAt + Math.floor(config.ACCESS_TOKEN_TTL / 1_000),
      auth_time: Math.floor(authTime / 1_000),
      amr: amr.split(' '),
      at_hash: hashOf(accessToken),
      ...(sid !== undefined && { sid }),
      ...(nonce !== undefined && { nonce }),
    })
  }

  /**
   * Verifies an id_token hint, expired or not; otherwise undefined. The hint names a user but authenticates no one: an
   * id_token may leak through the logs of a client.
   */
  readHint(hint: string): IdTokenHint | undefined {
    const { config, keys } = this.#dependencies
    const { iss, sub, aud } = keys.read(hint) ?? {}
    return iss === config.PUBLIC_URL && typeof sub === 'string' && typeof aud === 'string' ? { sub, aud } : undefined
  }
}

/** `at_hash`: the left half of the hash. Both algorithms use SHA-256. */
function hashOf(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest().subarray(0, HALF_OF_SHA256).toString('base64url')
}
