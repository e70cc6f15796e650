import { and, gt, isNotNull, sql } from 'drizzle-orm'
import type { Database } from '../database/database.js'
import { CLOCK_SKEW_S } from '../tokens/access-tokens.js'
import { revocationColumns } from './conditions.js'

/** All live revocations are read again this often. */
const POLL_ALL_MS = 60_000
/** Without a good poll for this long, a revocation elsewhere may have been missed. */
const STALE_AFTER_MS = 5_000
/** A poll reads again what was revoked this long ago: a commit may become visible later than its own time says. */
const POLL_OVERLAP_MS = 60_000

/** A session that has ended, and when the last of its access tokens expires. */
export interface Revocation {
  id: string
  userId: number
  tokenExpiresAt: number
}

/** The revoked sessions, as this process knows them: in memory, and read again from the database several times a second. */
export class Revocations {
  readonly #statements: ReturnType<typeof prepareStatements>
  /** Ids of revoked sessions whose access tokens may still be alive, with the time when the last one is not. */
  readonly #revoked = new Map<string, number>()
  #polledAt = Number.NEGATIVE_INFINITY
  #polledAllAt = Number.NEGATIVE_INFINITY

  constructor(database: Database) {
    this.#statements = prepareStatements(database)
  }

  /** Whether the session was revoked, as far as this process knows. Asked on every request: no query. */
  has(sessionId: string): boolean {
    return this.#revoked.has(sessionId)
  }

  /** Whether a revocation by another process may have gone unseen for longer than promised. */
  isStale(): boolean {
    return this.lagMs > STALE_AFTER_MS
  }

  /** How long ago this process last heard what others revoked. */
  get lagMs(): number {
    return performance.now() - this.#polledAt
  }

  /** Learns what other processes revoked. */
  async poll(): Promise<void> {
    const startedAt = performance.now()
    const isFull = startedAt - this.#polledAllAt >= POLL_ALL_MS
    this.remember(await (isFull ? this.#statements.selectRevoked : this.#statements.selectRecentlyRevoked).execute())
    this.#polledAt = startedAt
    if (!isFull) return
    this.#polledAllAt = startedAt
    for (const [id, tokenExpiresAt] of this.#revoked) {
      if (tokenExpiresAt < Date.now() - CLOCK_SKEW_S * 1_000) this.#revoked.delete(id)
    }
  }

  /** A session that this process has ended counts at once in it. */
  remember(rows: Omit<Revocation, 'userId'>[]): void {
    for (const { id, tokenExpiresAt } of rows) this.#revoked.set(id, tokenExpiresAt)
  }
}

function prepareStatements({ db, tables, now }: Database) {
  const { sessions } = tables
  return {
    selectRevoked: db
      .select(revocationColumns(tables))
      .from(sessions)
      .where(and(isNotNull(sessions.revokedAt), gt(sessions.tokenExpiresAt, now)))
      .prepare('select_revoked_sessions'),
    selectRecentlyRevoked: db
      .select(revocationColumns(tables))
      .from(sessions)
      .where(and(gt(sessions.revokedAt, sql`${now} - ${POLL_OVERLAP_MS}`), gt(sessions.tokenExpiresAt, now)))
      .prepare('select_recently_revoked_sessions'),
  }
}
