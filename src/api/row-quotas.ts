import { type AnyColumn, eq, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { LRUCache } from 'lru-cache'
import type { Database } from '../database/database.js'
import { Problem } from '../problems.js'

/** So many rows may be added before an account's rows are counted again. */
const LEASE = 1_000
/** An account that was full is not counted again for so long, unless it deletes a row here. */
const FULL_FOR_MS = 5_000
const ACCOUNTS_KEPT = 10_000

type OwnedTable = PgTable & { userId: AnyColumn }

interface Lease {
  /** How many rows may be added without counting. */
  left: number
  /** Not before this time is it counted again, by the monotonic clock in milliseconds. */
  recountAt: number
}

/**
 * Bounds how many rows of one table an account has. Counting costs as much as there are rows, so each process counts once
 * a LEASE: one process never passes the bound, and each further one passes it by a LEASE at most.
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

  /** Adds a row to an account, if there is room for it. @throws Problem too_many_rows, and whatever `insert` throws */
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

  /** A row of the account is gone. */
  async giveBack(userId: number): Promise<void> {
    const lease = await this.#leases.get(userId)
    if (lease !== undefined) lease.left += 1
  }

  async #leaseOf(userId: number): Promise<Lease> {
    const known = this.#leases.get(userId)
    if (known !== undefined) {
      const lease = await known
      if (lease.left > 0 || performance.now() < lease.recountAt) return lease
      // Somebody else who came as late may have begun to count already.
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
