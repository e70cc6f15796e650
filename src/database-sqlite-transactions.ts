import { setTimeout as sleep } from 'node:timers/promises'
import type BetterSqlite3 from 'better-sqlite3'
import { endOfTurn } from './turns.js'

/** How long a transaction that meets a lock is tried again. */
export const BUSY_PATIENCE_MS = 250
const BUSY_PAUSE_MS = 15

interface Waiting {
  work(): unknown
  resolve(result: unknown): void
  reject(error: unknown): void
}

/**
 * What arrives in one turn of the event loop shares a transaction: what writes shares one commit, and with it one wait for
 * the disk; what reads shares one lock, which costs more than finding a row. Each statement stays one of its own: one that
 * fails undoes itself alone. From a transaction's beginning to its end nothing else runs on the connection, so that nobody
 * reads what a failing power supply could still take back, and nobody is answered before it cannot.
 */
export class SharedTransactions {
  readonly #connection: BetterSqlite3.Database
  readonly #begin: BetterSqlite3.Statement
  readonly #beginToWrite: BetterSqlite3.Statement
  readonly #commit: BetterSqlite3.Statement
  #readers: Waiting[] = []
  #writers: Waiting[] = []
  #isRunning = false
  /** How much work of several statements is being done in the transaction that runs. */
  #works = 0
  /** What has spoilt that transaction. */
  #fault: unknown

  constructor(connection: BetterSqlite3.Database) {
    this.#connection = connection
    this.#begin = connection.prepare('begin')
    this.#beginToWrite = connection.prepare('begin immediate')
    this.#commit = connection.prepare('commit')
  }

  /** Performs a statement in the next transaction. */
  add<Result>(perform: () => Result, isReading: boolean): Promise<Result> {
    return this.#enqueue(isReading ? this.#readers : this.#writers, () => this.#perform(perform))
  }

  /** Does work of several statements in the next transaction. It may wait for nothing but them, and may be done again. */
  together<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#enqueue(this.#writers, async () => {
      this.#works += 1
      try {
        return await work()
      } finally {
        this.#works -= 1
      }
    })
  }

  /** Performs a statement of such work. */
  join<Result>(perform: () => Result): Result {
    if (this.#works === 0) throw new Error('This statement belongs to work that is done together')
    return this.#perform(perform)
  }

  #enqueue<Result>(all: Waiting[], work: () => Result | Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      all.push({ work, resolve: resolve as Waiting['resolve'], reject })
      if (this.#isRunning) return
      this.#isRunning = true
      // After all requests that have come in by now.
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

  async #share(begin: BetterSqlite3.Statement, all: Waiting[]): Promise<void> {
    try {
      const settle = await patiently(BUSY_PATIENCE_MS, () => this.#transact(begin, all))
      for (const settleOne of settle) settleOne()
    } catch (error) {
      for (const { reject } of all) reject(error)
    }
  }

  /** Does all in one transaction; what it resolves to tells each how it went, now that what it wrote is on the disk. */
  async #transact(begin: BetterSqlite3.Statement, all: Waiting[]): Promise<(() => void)[]> {
    begin.run()
    this.#fault = undefined
    try {
      const done = Promise.all(all.map((one) => this.#do(one)))
      // Statements take no turn of the event loop; work that waits for anything else would keep everybody from writing.
      const settle = await (this.#works === 0 ? done : Promise.race([done, endOfTurn()]))
      if (settle === undefined) throw new Error('Work that is done together may wait for its statements alone')
      if (this.#fault !== undefined) throw this.#fault
      this.#commit.run()
      return settle
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('rollback')
      throw error
    }
  }

  async #do({ work, resolve, reject }: Waiting): Promise<() => void> {
    try {
      const result = await work()
      return () => resolve(result)
    } catch (error) {
      return () => reject(error)
    }
  }

  #perform<Result>(perform: () => Result): Result {
    // Or what comes after it would be written by itself.
    if (this.#fault !== undefined) throw this.#fault
    try {
      return perform()
    } catch (error) {
      // To be tried again with all the others; or a full or broken disk has undone the whole transaction.
      if (isBusy(error) || !this.#connection.inTransaction) this.#fault = error
      throw error
    }
  }
}

/** Attempts again, for so long, what meets a lock. */
export async function patiently<Result>(
  patienceMs: number,
  attempt: () => Result | Promise<Result>,
): Promise<Awaited<Result>> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error
    }
    await sleep(BUSY_PAUSE_MS)
  }
}

/** The code of an error of SQLite. */
export function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? '')
}

/** Whether somebody else holds a lock. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error))
}
