import { randomBytes } from 'node:crypto'
import pg from 'pg'

const CONNECTION = { connectionTimeoutMillis: 5_000, keepAlive: true, pipeline: true, application_name: 'latchkey' }
/** Limits of a connection that the server keeps. */
export const SERVER_LIMITS = { statement_timeout: 3_000, idle_in_transaction_session_timeout: 5_000 }
/** Longer than the server's own limit: when it passes without an answer, the server or the network hangs. */
export const ANSWER_TIMEOUT_MS = SERVER_LIMITS.statement_timeout + 500

/** What stands between this process and the server lets through. */
export interface Passage {
  /** The limits as startup parameters, which PgBouncer refuses unless it is told to ignore them. */
  limits: typeof SERVER_LIMITS | Record<string, never>
  /** Whether a prepared statement is there again at the next call. A pooler of transactions loses it unless it keeps track. */
  keepsPrepared: boolean
  /** Whether the settings of a connection are its own. Behind a pooler, they may be given to another's transaction. */
  isDirect: boolean
  /** The connection that this was found out by. It has the limits, where it has any. */
  client: pg.Client
  /** What the operator can do about the first two, one sentence each. */
  advice: string[]
}

/** The first connection to what stands at an address, with the limits that it takes as startup parameters. */
export interface Entrance {
  client: pg.Client
  limits: Passage['limits']
}

/** Connects. The server or a pooler may be at `url`. */
export async function enter(url: string): Promise<Entrance> {
  try {
    return { client: await connect(url, SERVER_LIMITS), limits: SERVER_LIMITS }
  } catch (error) {
    if (!/unsupported startup parameter/.test((error as Error).message)) throw error
    return { client: await connect(url, {}), limits: {} }
  }
}

/** Tries what the pool of connections will rely on. */
export async function explorePassage({ client, limits }: Entrance, url: string): Promise<Passage> {
  const isDirect = await isServer(client)
  const keepsPrepared = isDirect || (await isPreparedForEach(client, url, limits))
  const advice: string[] = []
  if (limits !== SERVER_LIMITS) {
    advice.push(
      'The pooler in front of PostgreSQL refuses statement_timeout: statements are limited by this process alone. Set ignore_startup_parameters = extra_float_digits, statement_timeout, idle_in_transaction_session_timeout in it, and statement_timeout = 3s for the role.',
    )
  }
  if (!keepsPrepared) {
    advice.push(
      'The pooler in front of PostgreSQL does not keep prepared statements: each one is parsed anew. Set max_prepared_statements in it (PgBouncer 1.21 or newer).',
    )
  }
  return { limits, keepsPrepared, isDirect, client, advice }
}

async function connect(url: string, limits: Passage['limits']): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, ...CONNECTION, ...limits })
  // Without a listener a connection that the server ends would end this process too; its statement fails anyway.
  client.on('error', () => {})
  await client.connect()
  return client
}

/**
 * Whether two connections can each prepare a statement of the same name. A pooler of transactions that does not keep track
 * lends one server connection to both, where the name is taken by the first.
 */
async function isPreparedForEach(first: pg.Client, url: string, limits: Passage['limits']): Promise<boolean> {
  const second = await connect(url, limits)
  const name = `latchkey_${randomBytes(6).toString('hex')}`
  try {
    // Twice each, because other clients may get in between and be lent the connection that would have told.
    for (const client of [first, second, first, second]) await client.query({ name, text: 'select 1' })
    return true
  } catch (error) {
    if (!isLostStatement(error)) throw error
    return false
  } finally {
    await second.end().catch(() => {})
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
