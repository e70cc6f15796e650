import { createVerifier } from 'fast-jwt'
import { LRUCache } from 'lru-cache'
import type { Config } from '../config/config.js'
import { acceptedIssuers } from '../config/public-url.js'
import { type AccessClaims, readAccessClaims } from '../tokens/access-tokens.js'
import { ALGORITHM, type Keys, TOKEN_TYPE } from '../tokens/signing-keys.js'

/** The number of cached tokens; each takes about 1 KiB. */
const TOKENS_KEPT = 10_000

/** Caches the claims of verified access tokens. Callers check each time whether a token was revoked. */
export class VerifiedTokens {
  readonly #keys: Keys
  readonly #verify: (token: string) => Promise<unknown>
  readonly #verified = new LRUCache<string, AccessClaims>({ max: TOKENS_KEPT })
  #generation: number

  constructor(config: Config, keys: Keys) {
    this.#keys = keys
    this.#generation = keys.generation
    this.#verify = createVerifier({
      key: async ({ header }: { header: Record<string, unknown> }) => {
        const pem = header.typ === TOKEN_TYPE && header.crit === undefined ? keys.find(header.kid) : undefined
        if (pem === undefined) throw new Error('No key of ours signs access tokens with such a header')
        return pem
      },
      algorithms: [ALGORITHM],
      allowedIss: acceptedIssuers(config),
      requiredClaims: ['iss', 'aud', 'sub', 'exp', 'iat', 'jti'],
    })
  }

  /** The claims of an access token of this service, with any audience; undefined for other tokens. */
  async read(token: string): Promise<AccessClaims | undefined> {
    if (this.#generation !== this.#keys.generation) {
      this.#verified.clear()
      this.#generation = this.#keys.generation
    }
    const known = this.#verified.get(token)
    if (known !== undefined) return known.exp * 1_000 > Date.now() ? known : undefined
    try {
      const claims = readAccessClaims(await this.#verify(token))
      if (claims !== undefined) this.#verified.set(token, claims)
      return claims
    } catch {
      return undefined
    }
  }
}
