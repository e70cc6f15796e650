import type BetterSqlite3 from 'better-sqlite3'
import { endOfTick } from '../../event-loop.js'
import type { Db } from '../database.js'
import { patiently } from './shared-transactions.js'
import { createRunner, drizzleOn, withProblems } from './statements.js'

type Connection = BetterSqlite3.Database

/**
 * A second connection, opened when first needed, for transactions that take several ticks of the event loop. On the first
 * connection the statements of other requests would become part of the open transaction, and be rolled back with it.
 */
export class ExclusiveConnection {
  readonly #open: () => Connection
  readonly #lockMs: number
  #connection: Connection | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** With how long a transaction waits for the write lock. */
  constructor(open: () => Connection, lockMs: number) {
    this.#open = open
    this.#lockMs = lockMs
  }

  /** Runs one after the other. */
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
    // The first connection may hold the write lock until the end of this tick: a wait for it would block the process.
    await endOfTick()
    return withProblems(() => transact(connection, this.#lockMs, work))
  }
}

async function transact<Result>(
  connection: Connection,
  lockMs: number,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  await patiently(lockMs, () => connection.exec('begin immediate'))
  try {
    const result = await work(drizzleOn(createRunner(connection)))
    connection.exec('commit')
    return result
  } catch (error) {
    if (connection.inTransaction) connection.exec('rollback')
    throw error
  }
}
