import { createHash } from 'node:crypto'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { wordsOf } from '../clients/scopes.js'
import type { Config } from '../config/config.js'
import type { AuthorizedUser } from '../sessions/client-sessions.js'
import type { IdTokenKeys } from '../tokens/id-token-keys.js'
import { claimsOf, type UserClaimsReader } from './user-claims.js'

const HALF_OF_SHA256 = 16
/** As much as the headers of a request may hold. */
export const HINT_MAX_LENGTH = 8_192

/** Whom an id_token names, and the client that it was made for. */
export interface IdTokenHint {
  sub: string
  aud: string
}

/** A log-in that a client learns of. */
export interface LoginProof {
  userId: number
  /** The user, where the log-in has just read it. */
  user?: AuthorizedUser
  scope: string
  /** The session of the browser. */
  sid?: string | undefined
  /** Words of RFC 8176 with a space between them. */
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

  /** The id_token that goes with an access token; undefined without the scope `openid`. @throws Problem not_ready */
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
   * Reads an id_token that a client shows as a hint: of ours, expired or not; undefined for everything else. It says whom the
   * client means, and lets nobody in: whoever reads a log of the client may have it too.
   */
  readHint(hint: string): IdTokenHint | undefined {
    const { config, keys } = this.#dependencies
    const { iss, sub, aud } = keys.read(hint) ?? {}
    return iss === config.PUBLIC_URL && typeof sub === 'string' && typeof aud === 'string' ? { sub, aud } : undefined
  }
}

/** `at_hash`: the left half of the hash that the algorithm uses, which is SHA-256 in both. */
function hashOf(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest().subarray(0, HALF_OF_SHA256).toString('base64url')
}
