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

type Execute = () => { rows: unknown[] }

/** Runs drizzle's statements, each prepared once; waits for a lock without blocking the process. */
export function createRunner(connection: BetterSqlite3.Database) {
  const statements = new LRUCache<string, BetterSqlite3.Statement>({ max: STATEMENTS_KEPT })
  const commits = new SharedCommits(connection)

  function prepared(text: string): BetterSqlite3.Statement {
    let statement = statements.get(text)
    if (statement === undefined) {
      statement = connection.prepare(text)
      if (statement.reader) statement.raw(true)
      statements.set(text, statement)
    }
    return statement
  }

  function runNow(text: string, params: unknown[], method: string): { rows: unknown[] } {
    const statement = prepared(text)
    if (!statement.reader) {
      statement.run(params)
      return { rows: [] }
    }
    return { rows: (method === 'get' ? statement.get(params) : statement.all(params)) as unknown[] }
  }

  return (text: string, params: unknown[], method: string) => timed(told, () => run(text, params, method))

  async function run(text: string, params: unknown[], method: string): Promise<{ rows: unknown[] }> {
    assertText(params)
    const execute = () => runNow(text, params, method)
    try {
      const needsCommit = !connection.inTransaction && !prepared(text).readonly
      return await (needsCommit ? commits.add(execute) : patiently(BUSY_PATIENCE_MS, execute))
    } catch (error) {
      throw asProblem(error)
    }
  }
}

interface Write {
  execute: Execute
  resolve(result: { rows: unknown[] }): void
  reject(error: unknown): void
}

/**
 * Writes that arrive together share one commit, and with it one wait for the disk. Each stays a statement of its own: one
 * that fails undoes itself alone. From the first to the commit nothing else runs on the connection, so that nobody reads
 * what a failing power supply could still take back, and nobody is answered before it cannot.
 */
class SharedCommits {
  readonly #connection: BetterSqlite3.Database
  readonly #begin: BetterSqlite3.Statement
  readonly #end: BetterSqlite3.Statement
  #waiting: Write[] = []
  #isRunning = false

  constructor(connection: BetterSqlite3.Database) {
    this.#connection = connection
    this.#begin = connection.prepare('begin immediate')
    this.#end = connection.prepare('commit')
  }

  add(execute: Execute): Promise<{ rows: unknown[] }> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ execute, resolve, reject })
      if (this.#isRunning) return
      this.#isRunning = true
      // After all requests that have come in by now.
      setImmediate(() => this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const writes = this.#waiting
      this.#waiting = []
      try {
        const settle = await patiently(BUSY_PATIENCE_MS, () => this.#commit(writes))
        for (const settleOne of settle) settleOne()
      } catch (error) {
        for (const { reject } of writes) reject(error)
      }
    }
    this.#isRunning = false
  }

  /** Executes all in one transaction; what it returns tells each how it went, now that it is on the disk. */
  #commit(writes: Write[]): (() => void)[] {
    this.#begin.run()
    try {
      const settle = writes.map((write) => this.#execute(write))
      this.#end.run()
      return settle
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('rollback')
      throw error
    }
  }

  #execute({ execute, resolve, reject }: Write): () => void {
    try {
      const result = execute()
      return () => resolve(result)
    } catch (error) {
      // A full or broken disk may have undone the whole transaction: then nobody's write is there.
      if (!this.#connection.inTransaction) throw error
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
