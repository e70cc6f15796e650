import { type AnyColumn, eq, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { LRUCache } from 'lru-cache'
import type { Database } from '../database/database.js'
import { Problem } from '../problems.js'

/** How many rows may be added before an account's rows are counted again. */
const LEASE = 1_000
/** How long a full account is not counted again, unless it deletes a row in this process. */
const FULL_FOR_MS = 5_000
const ACCOUNTS_KEPT = 10_000

type OwnedTable = PgTable & { userId: AnyColumn }

interface Lease {
  /** How many rows may be added before the next count. */
  left: number
  /** The earliest time of the next count, by the monotonic clock in milliseconds. */
  recountAt: number
}

/**
 * Limits the rows of one table per account. The cost of counting grows with the rows, so each process counts once per
 * LEASE: one process never exceeds the limit, and each further process exceeds it by at most a LEASE.
 */
export class RowQuota {
  readonly #leases = new LRUCache<number, Promise<Lease>>({ max: ACCOUNTS_KEPT })
  readonly #count: (userId: number) => Promise<number>
  readonly #max: number

  constructor({ db }: Database, table: OwnedTable, max: number) {
    this.#max = max
    this.#count = async (userId) => {
      const some = db
        .select({ one: sql`1`.as('one') })
        .from(table as PgTable)
        .where(eq(table.userId, userId))
        .limit(max)
      const [row] = await db.select({ count: sql<number>`count(*)` }).from(some.as('some'))
      return Number(row?.count)
    }
  }

  /** Inserts a row if the account has room for it. @throws Problem too_many_rows, and what `insert` throws */
  async spend<Row>(userId: number, insert: () => PromiseLike<Row>): Promise<Row> {
    const lease = await this.#leaseOf(userId)
    if (lease.left <= 0) throw new Problem('too_many_rows')
    lease.left -= 1
    try {
      return await insert()
    } catch (error) {
      lease.left += 1
      throw error
    }
  }

  /** Frees the place of a deleted row. */
  async giveBack(userId: number): Promise<void> {
    const lease = await this.#leases.get(userId)
    if (lease !== undefined) lease.left += 1
  }

  async #leaseOf(userId: number): Promise<Lease> {
    const known = this.#leases.get(userId)
    if (known !== undefined) {
      const lease = await known
      if (lease.left > 0 || performance.now() < lease.recountAt) return lease
      // Another request may have started the count while this one waited.
      const current = this.#leases.get(userId)
      if (current !== undefined && current !== known) return current
    }
    const counting = this.#take(userId)
    this.#leases.set(userId, counting)
    counting.catch(() => this.#leases.delete(userId))
    return counting
  }

  async #take(userId: number): Promise<Lease> {
    const room = this.#max - (await this.#count(userId))
    return { left: Math.min(room, LEASE), recountAt: performance.now() + (room > 0 ? 0 : FULL_FOR_MS) }
  }
}
