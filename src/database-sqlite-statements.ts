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

/** Runs drizzle's statements, each prepared once; waits for a lock without blocking the process. */
export function createRunner(connection: BetterSqlite3.Database) {
  const statements = new LRUCache<string, BetterSqlite3.Statement>({ max: STATEMENTS_KEPT })

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
    try {
      return runNow(text, params, method)
    } catch (error) {
      if (!isBusy(error)) throw asProblem(error)
    }
    try {
      return await patiently(BUSY_PATIENCE_MS, () => runNow(text, params, method))
    } catch (error) {
      throw asProblem(error)
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
