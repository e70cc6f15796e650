import { and, gt, isNotNull, sql } from 'drizzle-orm'
import { ChangedRows, RECENT_MS } from '../database/changed-rows.js'
import type { Database } from '../database/database.js'
import { CLOCK_SKEW_S } from '../tokens/access-tokens.js'
import { revocationColumns } from './conditions.js'

/** After this long without a successful poll, a revocation by another process may have been missed. */
const STALE_AFTER_MS = 5_000

/** An ended session, and when its last access token expires. */
export interface Revocation {
  id: string
  userId: number
  tokenExpiresAt: number
}

/** The revoked sessions that this process knows: kept in memory, polled from the database several times a second. */
export class Revocations {
  readonly #rows: ReturnType<typeof prepareRows>
  /** Ids of revoked sessions, with the expiry of their last access token. */
  readonly #revoked = new Map<string, number>()
  #polledAt = Number.NEGATIVE_INFINITY

  constructor(database: Database) {
    this.#rows = prepareRows(database)
  }

  /** Whether the session is revoked, as far as this process knows. In memory, because every request checks. */
  has(sessionId: string): boolean {
    return this.#revoked.has(sessionId)
  }

  /** Whether the last successful poll is so old that a revocation may have been missed. */
  isStale(): boolean {
    return this.lagMs > STALE_AFTER_MS
  }

  /** The age of the last successful poll. */
  get lagMs(): number {
    return performance.now() - this.#polledAt
  }

  /** Reads the revocations of other processes. */
  async poll(): Promise<void> {
    const startedAt = performance.now()
    const { rows, isAll } = await this.#rows.read()
    this.remember(rows)
    this.#polledAt = startedAt
    if (!isAll) return
    for (const [id, tokenExpiresAt] of this.#revoked) {
      if (tokenExpiresAt < Date.now() - CLOCK_SKEW_S * 1_000) this.#revoked.delete(id)
    }
  }

  /** Adds sessions that this process has ended, so that they are refused before the next poll. */
  remember(rows: Omit<Revocation, 'userId'>[]): void {
    for (const { id, tokenExpiresAt } of rows) this.#revoked.set(id, tokenExpiresAt)
  }
}

function prepareRows({ db, tables, now }: Database) {
  const { sessions } = tables
  return new ChangedRows({
    all: db
      .select(revocationColumns(tables))
      .from(sessions)
      .where(and(isNotNull(sessions.revokedAt), gt(sessions.tokenExpiresAt, now)))
      .prepare('select_revoked_sessions'),
    recent: db
      .select(revocationColumns(tables))
      .from(sessions)
      .where(and(gt(sessions.revokedAt, sql`${now} - ${RECENT_MS}`), gt(sessions.tokenExpiresAt, now)))
      .prepare('select_recently_revoked_sessions'),
  })
}
