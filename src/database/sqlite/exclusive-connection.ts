import type BetterSqlite3 from 'better-sqlite3'
import { endOfTick } from '../../event-loop.js'
import type { Db } from '../database.js'
import { retryWhileLocked } from './shared-transactions.js'
import { createRunner, drizzleOn, withProblems } from './statements.js'

type Connection = BetterSqlite3.Database

/**
 * A second connection for transactions that span several ticks, opened when first needed. On the first connection, the
 * statements of other requests would join the open transaction and be rolled back with it.
 */
export class ExclusiveConnection {
  readonly #open: () => Connection
  readonly #lockMs: number
  #connection: Connection | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** `lockMs`: how long a transaction waits for the write lock. */
  constructor(open: () => Connection, lockMs: number) {
    this.#open = open
    this.#lockMs = lockMs
  }

  /** Runs transactions one at a time. */
  transaction<Result>(work: (db: Db) => Promise<Result>): Promise<Result> {
    const result = this.#last.then(() => this.#run(work))
    this.#last = result.catch(() => {})
    return result
  }

  async close(): Promise<void> {
    await this.#last
    this.#connection?.close()
  }

  async #run<Result>(work: (db: Db) => Promise<Result>): Promise<Result> {
    this.#connection ??= this.#open()
    const connection = this.#connection
    // The first connection may hold the write lock until the end of this tick. Waiting for the lock now would block the
    // process.
    await endOfTick()
    return withProblems(() => transact(connection, this.#lockMs, work))
  }
}

async function transact<Result>(
  connection: Connection,
  lockMs: number,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  await retryWhileLocked(lockMs, () => connection.exec('begin immediate'))
  try {
    const result = await work(drizzleOn(createRunner(connection)))
    connection.exec('commit')
    return result
  } catch (error) {
    if (connection.inTransaction) connection.exec('rollback')
    throw error
  }
}
