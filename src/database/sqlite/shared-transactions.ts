import { setTimeout as sleep } from 'node:timers/promises'
import type BetterSqlite3 from 'better-sqlite3'
import { endOfTick } from '../../event-loop.js'

const BUSY_PAUSE_MS = 15

/** Executes one statement of a transaction. */
export type Perform = <Result>(statement: () => Result) => Result

interface Pending {
  attempt(): unknown
  resolve(result: unknown): void
  reject(error: unknown): void
}

type Settle = () => void

/**
 * Batches the statements of one tick: writes share one commit (one fsync), reads share one lock. A failed single
 * statement undoes only itself. A transaction of several statements is a savepoint, rolled back as a whole. Attempts
 * run one after the other. No caller gets a result before the data are on disk.
 */
export class SharedTransactions {
  readonly #connection: BetterSqlite3.Database
  readonly #lockMs: number
  readonly #begin: BetterSqlite3.Statement
  readonly #beginToWrite: BetterSqlite3.Statement
  readonly #commit: BetterSqlite3.Statement
  readonly #savepoint: BetterSqlite3.Statement
  readonly #release: BetterSqlite3.Statement
  readonly #rollbackToSavepoint: BetterSqlite3.Statement
  #readers: Pending[] = []
  #writers: Pending[] = []
  #isRunning = false
  /** The error that ended the transaction of the running batch, or SQLITE_BUSY, which makes the batch run again. */
  #fault: unknown

  /** `lockMs`: how long a transaction is retried while the database is locked. */
  constructor(connection: BetterSqlite3.Database, lockMs: number) {
    this.#connection = connection
    this.#lockMs = lockMs
    this.#begin = connection.prepare('begin')
    this.#beginToWrite = connection.prepare('begin immediate')
    this.#commit = connection.prepare('commit')
    this.#savepoint = connection.prepare('savepoint work')
    this.#release = connection.prepare('release work')
    this.#rollbackToSavepoint = connection.prepare('rollback to work')
  }

  /** Executes a statement in the next batch. */
  add<Result>(statement: () => Result, isReading: boolean): Promise<Result> {
    return this.#enqueue(isReading ? this.#readers : this.#writers, () => this.#perform(statement))
  }

  /**
   * Runs `work`, several statements, in the next batch, all or nothing. `work` may await only its statements, and runs
   * again if the batch is retried. A failed statement fails `work`, even if `work` catches the error.
   */
  transaction<Result>(work: (perform: Perform) => Promise<Result>): Promise<Result> {
    return this.#enqueue(this.#writers, () => this.#transact(work))
  }

  #enqueue<Result>(batch: Pending[], attempt: () => Result | Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      batch.push({ attempt, resolve: resolve as Pending['resolve'], reject })
      if (this.#isRunning) return
      this.#isRunning = true
      // Runs at the end of the tick, when the batch holds all requests that have arrived.
      setImmediate(() => this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#readers.length + this.#writers.length > 0) {
      const readers = this.#readers
      this.#readers = []
      if (readers.length > 0) await this.#share(this.#begin, readers)
      const writers = this.#writers
      this.#writers = []
      if (writers.length > 0) await this.#share(this.#beginToWrite, writers)
    }
    this.#isRunning = false
  }

  async #share(begin: BetterSqlite3.Statement, batch: Pending[]): Promise<void> {
    try {
      const settle = await retryWhileLocked(this.#lockMs, () => this.#commitBatch(begin, batch))
      for (const settleOne of settle) settleOne()
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  /** Runs the batch and commits. Resolves to one callback per caller, which settles that caller's promise. */
  async #commitBatch(begin: BetterSqlite3.Statement, batch: Pending[]): Promise<Settle[]> {
    begin.run()
    this.#fault = undefined
    try {
      const settle: Settle[] = []
      for (const { attempt, resolve, reject } of batch) {
        try {
          const attempted = attempt()
          const result = attempted instanceof Promise ? await attempted : attempted
          settle.push(() => resolve(result))
        } catch (error) {
          settle.push(() => reject(error))
        }
        if (this.#fault !== undefined) throw this.#fault
      }
      this.#commit.run()
      return settle
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('rollback')
      throw error
    }
  }

  async #transact<Result>(work: (perform: Perform) => Promise<Result>): Promise<Result> {
    let failure: { error: unknown } | undefined
    const perform: Perform = (statement) => {
      if (failure !== undefined) throw failure.error
      try {
        return this.#perform(statement)
      } catch (error) {
        failure = { error }
        throw error
      }
    }
    this.#perform(() => this.#savepoint.run())
    try {
      // Statements are synchronous, so `work` finishes within this tick. Waiting for anything else would block all
      // other writers.
      const done = await Promise.race([work(perform).then((result) => ({ result })), endOfTick()])
      if (failure !== undefined) throw (failure as { error: unknown }).error
      if (done === undefined) throw new Error('A transaction may wait for nothing but its own statements')
      this.#perform(() => this.#release.run())
      return done.result
    } catch (error) {
      if (this.#fault === undefined) this.#undo()
      throw error
    } finally {
      failure = { error: new Error('The transaction of this statement is over') }
    }
  }

  #undo(): void {
    this.#perform(() => this.#rollbackToSavepoint.run())
    // ROLLBACK TO keeps the savepoint.
    this.#perform(() => this.#release.run())
  }

  #perform<Result>(statement: () => Result): Result {
    // The transaction is gone: a later statement would autocommit.
    if (this.#fault !== undefined) throw this.#fault
    try {
      return statement()
    } catch (error) {
      // Busy: retry the whole batch. No longer in a transaction: SQLite rolled it back (disk full, I/O error).
      if (isBusy(error) || !this.#connection.inTransaction) this.#fault = error
      throw error
    }
  }
}

/** Retries `attempt` for up to `timeoutMs` while the database is locked. */
export async function retryWhileLocked<Result>(
  timeoutMs: number,
  attempt: () => Result | Promise<Result>,
): Promise<Awaited<Result>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error
    }
    await sleep(BUSY_PAUSE_MS)
  }
}

/** The error code of a SQLite error. */
export function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? '')
}

/** Whether another connection holds a lock. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error))
}
