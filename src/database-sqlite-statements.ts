import { setTimeout as sleep } from 'node:timers/promises'
import type BetterSqlite3 from 'better-sqlite3'
import { LRUCache } from 'lru-cache'
import { assertText } from './database.js'
import { timed, statements as told } from './measures.js'
import { Problem } from './problems.js'

/** How long a statement that meets a lock tries again. */
export const BUSY_PATIENCE_MS = 250
const BUSY_PAUSE_MS = 15
const STATEMENTS_KEPT = 500

type Result = { rows: unknown[] }

/** Runs drizzle's statements, each prepared once; waits for a lock without blocking the process. */
export function createRunner(connection: BetterSqlite3.Database) {
  const statements = new LRUCache<string, BetterSqlite3.Statement>({ max: STATEMENTS_KEPT })
  const shared = new SharedTransactions(connection)

  function prepared(text: string): BetterSqlite3.Statement {
    let statement = statements.get(text)
    if (statement === undefined) {
      statement = connection.prepare(text)
      if (statement.reader) statement.raw(true)
      statements.set(text, statement)
    }
    return statement
  }

  function execute(statement: BetterSqlite3.Statement, params: unknown[], method: string): Result {
    if (!statement.reader) {
      statement.run(params)
      return { rows: [] }
    }
    return { rows: (method === 'get' ? statement.get(params) : statement.all(params)) as unknown[] }
  }

  return (text: string, params: unknown[], method: string) => timed(told, () => run(text, params, method))

  async function run(text: string, params: unknown[], method: string): Promise<Result> {
    assertText(params)
    try {
      const statement = prepared(text)
      const perform = () => execute(statement, params, method)
      return await (connection.inTransaction ? perform() : shared.add(perform, statement.readonly))
    } catch (error) {
      throw asProblem(error)
    }
  }
}

interface Waiting {
  perform(): Result
  resolve(result: Result): void
  reject(error: unknown): void
}

/**
 * Statements that arrive in one turn of the event loop share a transaction: those that write one commit, and with it one
 * wait for the disk; those that read one lock, which costs more than finding a row. Each stays a statement of its own: one
 * that fails undoes itself alone. From a transaction's beginning to its end nothing else runs on the connection, so that
 * nobody reads what a failing power supply could still take back, and nobody is answered before it cannot.
 */
class SharedTransactions {
  readonly #connection: BetterSqlite3.Database
  readonly #begin: BetterSqlite3.Statement
  readonly #beginToWrite: BetterSqlite3.Statement
  readonly #commit: BetterSqlite3.Statement
  #readers: Waiting[] = []
  #writers: Waiting[] = []
  #isRunning = false

  constructor(connection: BetterSqlite3.Database) {
    this.#connection = connection
    this.#begin = connection.prepare('begin')
    this.#beginToWrite = connection.prepare('begin immediate')
    this.#commit = connection.prepare('commit')
  }

  add(perform: () => Result, isReading: boolean): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting = isReading ? this.#readers : this.#writers
      waiting.push({ perform, resolve, reject })
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

  /** Performs all in one transaction; what it returns tells each how it went, now that what it wrote is on the disk. */
  #transact(begin: BetterSqlite3.Statement, all: Waiting[]): (() => void)[] {
    begin.run()
    try {
      const settle = all.map((one) => this.#perform(one))
      this.#commit.run()
      return settle
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('rollback')
      throw error
    }
  }

  #perform({ perform, resolve, reject }: Waiting): () => void {
    try {
      const result = perform()
      return () => resolve(result)
    } catch (error) {
      // Tried again with all the others; or a full or broken disk has undone the whole transaction, and nobody's write is there.
      if (isBusy(error) || !this.#connection.inTransaction) throw error
      return () => reject(error)
    }
  }
}

/** Attempts again, for so long, what meets a lock. */
export async function patiently<Result>(patienceMs: number, attempt: () => Result): Promise<Result> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    try {
      return attempt()
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

/** A full disk, a lock that does not end or a broken file is a 503; anything else is a bug, and stays one. */
export function asProblem(error: unknown): unknown {
  // The one parent there is, is the owner: a user deleted a moment ago, whose token this process still took.
  if (codeOf(error) === 'SQLITE_CONSTRAINT_FOREIGNKEY') return new Problem('invalid_token', { cause: error })
  if (codeOf(error) === 'SQLITE_CONSTRAINT_UNIQUE') return takenProblem((error as Error).message) ?? error
  const unavailable = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|CORRUPT|NOTADB)/.test(codeOf(error))
  return unavailable ? new Problem('database_unavailable', { cause: error }) : error
}

function takenProblem(message: string): Problem | undefined {
  if (message.includes('users.username_key')) return new Problem('username_taken')
  return message.includes('users.email_key') ? new Problem('email_taken') : undefined
}
