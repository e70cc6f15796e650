import { and, eq, gt, lt, sql } from 'drizzle-orm'
import type { Client } from '../audit/requester.js'
import { deleteInBatches } from '../database/batches.js'
import { ChangedRows, RECENT_MS } from '../database/changed-rows.js'
import type { Database } from '../database/database.js'
import { OAuthError } from '../oauth-error.js'
import type { Revocations } from '../sessions/revocations.js'
import type { Sessions } from '../sessions/sessions.js'
import { type AccessClaims, CLOCK_SKEW_S } from '../tokens/access-tokens.js'
import { isRefreshToken } from '../tokens/refresh-tokens.js'
import type { OAuthClient } from './oauth-clients.js'
import type { VerifiedTokens } from './verified-tokens.js'

/**
 * The most revoked tokens of a client within the lifetime of a token: every process keeps them in memory. Beyond, the
 * answer is 503.
 */
const REVOKED_PER_CLIENT = 10_000

interface Dependencies {
  database: Database
  tokens: VerifiedTokens
  sessions: Sessions
  revocations: Revocations
}

/**
 * Token revocation, RFC 7009, for the client that a token was issued to: revokes the token's session, or by its `jti` a
 * token without a session.
 */
export class TokenRevocations {
  readonly #dependencies: Dependencies
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
    this.#statements = prepareStatements(dependencies.database)
  }

  /**
   * Revokes a token. An expired or unknown token is no error.
   * @throws OAuthError invalid_grant for a token of another client, temporarily_unavailable
   */
  async revoke({ id }: OAuthClient, token: string, requester: Client): Promise<void> {
    const { tokens, sessions } = this.#dependencies
    const claims = isRefreshToken(token) ? undefined : await tokens.read(token)
    const found = claims === undefined ? await sessions.clientOf(token) : toFound(claims)
    if (found === undefined) return
    if (found.clientId !== id) throw new OAuthError('invalid_grant', 'The token was issued to another client.')
    if (found.sessionId !== undefined) return sessions.revoke(found.sessionId, requester, id)
    if (claims !== undefined) await this.#end(claims)
  }

  /** Reads revocations by other processes. */
  async poll(): Promise<void> {
    this.#dependencies.revocations.remember((await this.#statements.revoked.read()).rows)
  }

  /** Deletes expired revocations. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { database } = this.#dependencies
    const { revokedTokens: table } = database.tables
    await deleteInBatches(database, { table, key: table.jti, where: lt(table.expiresAt, database.now), signal })
  }

  async #end({ jti, client_id: clientId, exp }: AccessClaims): Promise<void> {
    const { revocations } = this.#dependencies
    if (revocations.has(jti)) return
    // The extra time covers a process whose clock is behind.
    const expiresAt = (exp + 2 * CLOCK_SKEW_S) * 1_000
    const [{ count = 0 } = {}] = await this.#statements.count.execute({ clientId })
    if (count >= REVOKED_PER_CLIENT) {
      const headers = { 'retry-after': '60' }
      throw new OAuthError('temporarily_unavailable', 'This client has revoked too many tokens.', {
        status: 503,
        headers,
      })
    }
    await this.#statements.insert.execute({ jti, clientId, expiresAt })
    revocations.remember([{ id: jti, tokenExpiresAt: expiresAt }])
  }
}

function toFound({ client_id: clientId, sid: sessionId }: AccessClaims): { clientId: string; sessionId?: string } {
  return { clientId, ...(sessionId !== undefined && { sessionId }) }
}

function prepareStatements({ db, tables, now }: Database) {
  const { revokedTokens } = tables
  const columns = { id: revokedTokens.jti, tokenExpiresAt: revokedTokens.expiresAt }
  const isAlive = gt(revokedTokens.expiresAt, now)
  return {
    count: db
      .select({ count: sql`count(*)`.mapWith(Number) })
      .from(revokedTokens)
      .where(eq(revokedTokens.clientId, sql.placeholder('clientId')))
      .prepare('count_revoked_tokens'),
    insert: db
      .insert(revokedTokens)
      .values({
        jti: sql.placeholder('jti'),
        clientId: sql.placeholder('clientId'),
        revokedAt: now,
        expiresAt: sql.placeholder('expiresAt'),
      })
      .onConflictDoNothing()
      .prepare('insert_revoked_token'),
    revoked: new ChangedRows({
      all: db.select(columns).from(revokedTokens).where(isAlive).prepare('select_revoked_tokens'),
      recent: db
        .select(columns)
        .from(revokedTokens)
        .where(and(isAlive, gt(revokedTokens.revokedAt, sql`${now} - ${RECENT_MS}`)))
        .prepare('select_recently_revoked_tokens'),
    }),
  }
}
