import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { settleSession } from './session.js'

/** Limits of a connection that the server keeps. */
export const SERVER_LIMITS = { statement_timeout: 3_000, idle_in_transaction_session_timeout: 5_000 }

/** What stands between this process and the server lets through. */
export interface Passage {
  /** The limits as startup parameters, which PgBouncer refuses unless it is told to ignore them. */
  limits: typeof SERVER_LIMITS | Record<string, never>
  /** Whether a prepared statement is there again at the next call. A pooler of transactions loses it unless it keeps track. */
  keepsPrepared: boolean
  /** Whether the settings of a connection are its own. Behind a pooler, they may be given to another's transaction. */
  isDirect: boolean
  /** What the operator can do about the first two, one sentence each. */
  advice: string[]
}

/** Tries what the pool of connections will rely on. The server or a pooler may be at `url`. */
export async function explorePassage(url: string, options: pg.ClientConfig): Promise<Passage> {
  const advice: string[] = []
  const connect = async (limits: object) => {
    const client = new pg.Client({ connectionString: url, ...options, ...limits })
    client.on('error', () => {})
    await client.connect()
    await settleSession(client)
    return client
  }
  let limits: Passage['limits'] = SERVER_LIMITS
  let first: pg.Client
  try {
    first = await connect(limits)
  } catch (error) {
    if (!/unsupported startup parameter/.test((error as Error).message)) throw error
    limits = {}
    first = await connect(limits)
    advice.push(
      'The pooler in front of PostgreSQL refuses statement_timeout: statements are limited by this process alone. Set ignore_startup_parameters = extra_float_digits, statement_timeout, idle_in_transaction_session_timeout in it, and statement_timeout = 3s for the role.',
    )
  }
  const second = await connect(limits)
  try {
    const keepsPrepared = await isPreparedForEach(first, second)
    if (!keepsPrepared) {
      advice.push(
        'The pooler in front of PostgreSQL does not keep prepared statements: each one is parsed anew. Set max_prepared_statements in it (PgBouncer 1.21 or newer).',
      )
    }
    return { limits, keepsPrepared, isDirect: await isServer(first), advice }
  } finally {
    await Promise.allSettled([first.end(), second.end()])
  }
}

/**
 * Whether two connections can each prepare a statement of the same name. A pooler of transactions that does not keep track
 * lends one server connection to both, where the name is taken by the first.
 */
async function isPreparedForEach(first: pg.Client, second: pg.Client): Promise<boolean> {
  const name = `latchkey_${randomBytes(6).toString('hex')}`
  try {
    // Twice each, because other clients may get in between and be lent the connection that would have told.
    for (const client of [first, second, first, second]) await client.query({ name, text: 'select 1' })
    return true
  } catch (error) {
    if (!isLostStatement(error)) throw error
    return false
  }
}

/** Whether the other end of a connection is the server: a pooler names itself by a number of its own. */
async function isServer(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const { processID } = client as unknown as { processID: number | null }
  return rows[0]?.pid === processID
}

/** Whether a prepared statement is another connection's, or gone: SQLSTATE duplicate or invalid statement name. */
export function isLostStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '42P05' || error.code === '26000')
}
