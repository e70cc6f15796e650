import type { Config } from '../config/config.js'
import type { Revocations } from '../sessions/revocations.js'
import type { Sessions } from '../sessions/sessions.js'
import { type AccessClaims, CLIENT_ID } from '../tokens/access-tokens.js'
import { isRefreshToken } from '../tokens/refresh-tokens.js'
import { isApiKey } from './api-key-texts.js'
import type { ApiKeys } from './api-keys.js'
import type { KnownClients } from './known-clients.js'
import type { OAuthClient } from './oauth-clients.js'
import { wordsOf } from './scopes.js'
import type { VerifiedTokens } from './verified-tokens.js'

const BEARER = { token_type: 'Bearer' } as const

/** The response for a valid token, RFC 7662 section 2.2. */
type ActiveToken = Pick<AccessClaims, 'sub' | 'exp' | 'iat' | 'aud' | 'iss' | 'scope' | 'roles'> & {
  client_id: string
  jti?: string
  token_type?: 'Bearer'
}

interface Dependencies {
  config: Config
  tokens: VerifiedTokens
  sessions: Sessions
  revocations: Revocations
  known: KnownClients
  apiKeys: ApiKeys
}

/** Token introspection, RFC 7662, for the clients that a token was issued to or is meant for. */
export class Introspection {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /**
   * The response about a token; undefined if the token is invalid, or neither issued to the client nor meant for it.
   */
  async inspect(client: OAuthClient, token: string): Promise<ActiveToken | undefined> {
    if (isRefreshToken(token)) return this.#inspectRefreshToken(client, token)
    if (isApiKey(token)) return this.#inspectKey(client, token)
    const claims = await this.#dependencies.tokens.read(token)
    if (claims === undefined || !this.#isFor(client, claims)) return undefined
    if (!this.#isAlive(claims)) return undefined
    const { iss, aud, sub, client_id, jti, iat, exp, scope, roles } = claims
    const held = this.#held(client_id, scope)
    const shown = roles && (held === undefined || wordsOf(held).includes('roles')) ? { roles } : undefined
    return { iss, aud, sub, client_id, jti, iat, exp, ...(held && { scope: held }), ...shown, ...BEARER }
  }

  /** Whether a token was not revoked and its client is active. Reads memory only. */
  #isAlive({ sid, jti, client_id: clientId }: AccessClaims): boolean {
    const { revocations, known } = this.#dependencies
    if (revocations.has(jti) || (sid !== undefined && revocations.has(sid))) return false
    return clientId === CLIENT_ID || known.find(clientId)?.isActive === true
  }

  /** The words of a scope that the client may still have. */
  #held(clientId: string, scope: string | null | undefined): string | undefined {
    return scope ? this.#dependencies.known.heldBy(clientId, wordsOf(scope)).join(' ') : undefined
  }

  #isFor({ id, resources }: OAuthClient, { client_id, aud }: { client_id: string; aud: string }): boolean {
    return client_id === id || resources.includes(aud)
  }

  async #inspectRefreshToken({ id }: OAuthClient, token: string): Promise<ActiveToken | undefined> {
    const { sessions, config } = this.#dependencies
    const session = await sessions.describe(token, id)
    if (session === undefined) return undefined
    const { userId, scope, createdAt, idleExpiresAt } = session
    const [iat, exp] = [createdAt, idleExpiresAt].map((time) => Math.floor(time / 1_000)) as [number, number]
    const held = this.#held(id, scope)
    return {
      iss: config.PUBLIC_URL,
      aud: config.PUBLIC_URL,
      sub: String(userId),
      client_id: id,
      iat,
      exp,
      ...(held && { scope: held }),
    }
  }

  /** An API key is meant for every client that accepts Latchkey's own tokens. */
  async #inspectKey(client: OAuthClient, token: string): Promise<ActiveToken | undefined> {
    const { apiKeys, config } = this.#dependencies
    if (!this.#isFor(client, { client_id: CLIENT_ID, aud: config.AUDIENCE })) return undefined
    const key = await apiKeys.find(token)
    if (key === undefined) return undefined
    const [iat, exp] = [key.createdAt, key.expiresAt].map((time) => Math.floor(time / 1_000)) as [number, number]
    const subject = { iss: config.PUBLIC_URL, aud: config.AUDIENCE, sub: String(key.userId), client_id: CLIENT_ID }
    return { ...subject, iat, exp, scope: key.scope, ...BEARER }
  }
}
