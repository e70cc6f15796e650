import type BetterSqlite3 from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import { LRUCache } from 'lru-cache'
import { Problem } from '../../problems.js'
import { statements as statementTimes, timed } from '../../telemetry/channels.js'
import { assertText, type Db } from '../database.js'
import { codeOf, type Perform, SharedTransactions } from './shared-transactions.js'

const STATEMENTS_KEPT = 500

type Connection = BetterSqlite3.Database
type Result = { rows: unknown[] }
/** The callback by which drizzle runs a statement. */
type Runner = (text: string, params: unknown[], method: string) => Promise<Result>

/** SQLite's drizzle, cast to PostgreSQL's type; database.ts checks that the rows of both schemas are the same. */
export function drizzleOn(run: Runner): Db {
  return drizzle(run) as unknown as Db
}

/** The same drizzle with another callback. Creating a new drizzle takes longer than the statement. */
function redirected(db: Db, run: Runner): Db {
  const { session } = db as unknown as { session: object }
  return Object.assign(Object.create(db), { session: Object.assign(Object.create(session), { client: run }) })
}

/** Executes statements immediately, on a connection that no other transaction shares. */
export function createRunner(connection: Connection): Runner {
  const prepare = createPreparer(connection)
  return runner(async (text, params, method) => perform(prepare(text), params, method))
}

/**
 * Executes statements in batches that share a transaction. Retries for up to `lockMs` while the database is locked,
 * without blocking the process.
 */
export function createSharedRunner(connection: Connection, lockMs: number) {
  const prepare = createPreparer(connection)
  const transactions = new SharedTransactions(connection, lockMs)
  const run = runner(async (text, params, method) => {
    const statement = prepare(text)
    return transactions.add(() => perform(statement, params, method), statement.readonly)
  })
  const db = drizzleOn(run)
  return {
    db,
    run,
    /** Counts as one statement in the telemetry, because it waits for the disk once. */
    transaction: <Result>(work: (db: Db) => Promise<Result>): Promise<Result> =>
      timed(statementTimes, () =>
        withProblems(() => transactions.transaction((within) => work(redirected(db, inside(within))))),
      ),
  }

  function inside(within: Perform): Runner {
    return async (text, params, method) => {
      try {
        return within(() => {
          assertText(params)
          return perform(prepare(text), params, method)
        })
      } catch (error) {
        throw asProblem(error)
      }
    }
  }
}

function runner(work: Runner): Runner {
  const run = checked(work)
  return (text, params, method) => timed(statementTimes, () => run(text, params, method))
}

function checked(work: Runner): Runner {
  return (text, params, method) =>
    withProblems(() => {
      assertText(params)
      return work(text, params, method)
    })
}

/** Each text is prepared once. */
function createPreparer(connection: Connection): (text: string) => BetterSqlite3.Statement {
  const statements = new LRUCache<string, BetterSqlite3.Statement>({ max: STATEMENTS_KEPT })
  return (text) => {
    let statement = statements.get(text)
    if (statement === undefined) {
      statement = connection.prepare(text)
      if (statement.reader) statement.raw(true)
      statements.set(text, statement)
    }
    return statement
  }
}

function perform(statement: BetterSqlite3.Statement, params: unknown[], method: string): Result {
  if (!statement.reader) {
    statement.run(params)
    return { rows: [] }
  }
  return { rows: (method === 'get' ? statement.get(params) : statement.all(params)) as unknown[] }
}

/** Runs `work`. Turns known database errors into Problems. */
export async function withProblems<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw asProblem(error)
  }
}

/** Turns a full disk, a held lock or a damaged file into a 503. Any other error is a bug and is returned unchanged. */
function asProblem(error: unknown): unknown {
  // The only foreign key is the owner. The user was deleted a moment ago, and this process still accepted the token.
  if (codeOf(error) === 'SQLITE_CONSTRAINT_FOREIGNKEY') return new Problem('invalid_token', { cause: error })
  // A unique index cannot compare two columns, so a trigger keeps a username from being the email address of another
  // user.
  if (/^SQLITE_CONSTRAINT_(UNIQUE|TRIGGER)$/.test(codeOf(error))) return takenProblem((error as Error).message) ?? error
  const unavailable = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|CORRUPT|NOTADB)/.test(codeOf(error))
  return unavailable ? new Problem('database_unavailable', { cause: error }) : error
}

function takenProblem(message: string): Problem | undefined {
  if (message.includes('users.username_key')) return new Problem('username_taken')
  return message.includes('users.email_key') ? new Problem('email_taken') : undefined
}
