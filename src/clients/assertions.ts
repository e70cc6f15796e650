import { createHash } from 'node:crypto'
import { lt, sql } from 'drizzle-orm'
import { decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import type { Config } from '../config/config.js'
import { acceptedIssuers } from '../config/public-url.js'
import { deleteInBatches } from '../database/batches.js'
import type { Database } from '../database/database.js'
import { CLOCK_SKEW_S } from '../tokens/access-tokens.js'
import { type AssertionKey, assertionKeys } from './jwks.js'
import type { OAuthClient } from './oauth-clients.js'

/** The longest lifetime of an assertion: its `jti` is kept for as long. */
const LONGEST_LIFE_S = 3_600
const JTI_LONGEST = 256
/** Accepted values of `typ` (RFC 7519, RFC 7523bis), so that no other kind of token that a client signs is accepted. */
const TYPES = [undefined, 'JWT', 'jwt', 'client-authentication+jwt']

/** private_key_jwt: JWTs that authenticate clients, RFC 7523 section 3. Each is accepted once. */
export class ClientAssertions {
  readonly #database: Database
  readonly #audiences: readonly string[]
  readonly #keys = new WeakMap<OAuthClient, AssertionKey[]>()
  readonly #insert: ReturnType<typeof prepareInsert>

  constructor(database: Database, config: Config) {
    this.#database = database
    this.#audiences = [...acceptedIssuers(config), `${config.PUBLIC_URL}/v1/token`]
    this.#insert = prepareInsert(database)
  }

  /** The client_id that an unverified assertion claims. */
  claimedBy(assertion: string): string | undefined {
    try {
      const { sub } = decodeJwt(assertion)
      return typeof sub === 'string' ? sub : undefined
    } catch {
      return undefined
    }
  }

  /** Whether the assertion is valid, signed by this client and not used before. Uses it up. */
  async take(client: OAuthClient, assertion: string): Promise<boolean> {
    const claims = await this.#verify(client, assertion)
    if (claims === undefined) return false
    const { jti, exp = 0 } = claims
    const hash = createHash('sha256')
      .update(JSON.stringify([client.id, jti]))
      .digest('base64url')
    const expiresAt = (exp + CLOCK_SKEW_S) * 1_000
    return (await this.#insert.execute({ hash, expiresAt })).length > 0
  }

  /** Deletes expired assertions. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { tables, now } = this.#database
    const { clientAssertions: table } = tables
    // A minute more, for a process whose clock runs behind the database's.
    const where = lt(table.expiresAt, sql`${now} - ${60_000}`)
    await deleteInBatches(this.#database, { table, key: table.hash, where, signal })
  }

  async #verify(client: OAuthClient, assertion: string): Promise<JWTPayload | undefined> {
    for (const { key, algorithm } of this.#candidates(client, assertion)) {
      try {
        const { payload } = await jwtVerify(assertion, key, {
          algorithms: [algorithm],
          issuer: client.id,
          subject: client.id,
          clockTolerance: CLOCK_SKEW_S,
          requiredClaims: ['iss', 'sub', 'aud', 'exp', 'jti'],
        })
        return this.#isForUs(payload) ? payload : undefined
      } catch {
        // Another key of the client may verify it. The response does not reveal which check failed.
      }
    }
    return undefined
  }

  /**
   * The keys that may have signed the assertion. The algorithm is that of the key: the header only selects among the
   * keys.
   */
  #candidates(client: OAuthClient, assertion: string): AssertionKey[] {
    try {
      const { kid, alg, typ } = decodeProtectedHeader(assertion)
      if (!TYPES.includes(typ)) return []
      return this.#keysOf(client).filter((key) => key.algorithm === alg && (kid === undefined || key.kid === kid))
    } catch {
      return []
    }
  }

  #keysOf(client: OAuthClient): AssertionKey[] {
    let keys = this.#keys.get(client)
    if (keys === undefined) {
      keys = client.jwks === undefined ? [] : assertionKeys(client.jwks)
      this.#keys.set(client, keys)
    }
    return keys
  }

  /** Exactly one audience, as a string: an assertion that names several could be replayed here by another server. */
  #isForUs({ aud, exp = 0, jti }: JWTPayload): boolean {
    const isShortLived = exp <= Date.now() / 1_000 + LONGEST_LIFE_S + CLOCK_SKEW_S
    const hasId = typeof jti === 'string' && jti !== '' && jti.length <= JTI_LONGEST
    return typeof aud === 'string' && this.#audiences.includes(aud) && isShortLived && hasId
  }
}

function prepareInsert({ db, tables: { clientAssertions } }: Database) {
  return db
    .insert(clientAssertions)
    .values({ hash: sql.placeholder('hash'), expiresAt: sql.placeholder('expiresAt') })
    .onConflictDoNothing()
    .returning({ hash: clientAssertions.hash })
    .prepare('insert_client_assertion')
}
