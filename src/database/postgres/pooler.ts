import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { Client } from './client.js'
import { watched } from './watched.js'

const CONNECTION = { connectionTimeoutMillis: 5_000, keepAlive: true, pipeline: true, application_name: 'latchkey' }
/** Time limits that the server enforces. */
const SERVER_LIMITS = { statement_timeout: 3_000, idle_in_transaction_session_timeout: 5_000 }
/** Longer than `statement_timeout`: no answer by then means that the server or the network hangs. */
export const ANSWER_TIMEOUT_MS = SERVER_LIMITS.statement_timeout + 500

/** What a pooler between this process and the server supports. */
export interface Probe {
  /** The limits as startup parameters. PgBouncer refuses them unless `ignore_startup_parameters` lists them. */
  limits: typeof SERVER_LIMITS | Record<string, never>
  /**
   * Whether prepared statements survive between calls. A transaction pooler loses them unless it tracks prepared
   * statements.
   */
  keepsPrepared: boolean
  /**
   * Whether the connection goes to the server itself. Behind a pooler, session settings may apply to the transactions
   * of another client.
   */
  isDirect: boolean
  /** The connection that was used for the probe. It has the limits, if any. */
  client: Client
  /** What the operator can do about missing limits or prepared statements, one sentence each. */
  advice: string[]
}

/** The first connection to the server or pooler, with the limits that were accepted as startup parameters. */
export interface FirstConnection {
  client: Client
  limits: Probe['limits']
}

/** Connects to the server or a pooler at `url`. Retries without the limits if the pooler refuses them. */
export async function connectFirst(url: string): Promise<FirstConnection> {
  try {
    return { client: await connect(url, SERVER_LIMITS), limits: SERVER_LIMITS }
  } catch (error) {
    if (!/unsupported startup parameter/.test((error as Error).message)) throw error
    return { client: await connect(url, {}), limits: {} }
  }
}

/** Probes the features that the pool relies on. */
export async function probePooler({ client, limits }: FirstConnection, url: string): Promise<Probe> {
  const isDirect = await isServer(client)
  const keepsPrepared = isDirect || (await isPreparedForEach(client, url, limits))
  const advice: string[] = []
  if (limits !== SERVER_LIMITS) {
    advice.push(
      'The pooler in front of PostgreSQL refuses statement_timeout: only this process limits the duration of statements. Set ignore_startup_parameters = extra_float_digits, statement_timeout, idle_in_transaction_session_timeout in it, and statement_timeout = 3s for the role.',
    )
  }
  if (!keepsPrepared) {
    advice.push(
      'The pooler in front of PostgreSQL does not keep prepared statements: each statement is parsed again. Set max_prepared_statements in it (PgBouncer 1.21 or newer).',
    )
  }
  return { limits, keepsPrepared, isDirect, client, advice }
}

async function connect(url: string, limits: Probe['limits']): Promise<Client> {
  const client = new Client({ connectionString: url, ...CONNECTION, ...limits })
  // Without a listener, a connection closed by the server would crash this process. Its statement fails anyway.
  client.on('error', () => {})
  await client.connect()
  return client
}

/**
 * Whether two connections can each prepare a statement of the same name. A transaction pooler that does not track
 * prepared statements gives both the same server connection, where the name already exists.
 */
async function isPreparedForEach(first: Client, url: string, limits: Probe['limits']): Promise<boolean> {
  const second = await connect(url, limits)
  const name = `latchkey_${randomBytes(6).toString('hex')}`
  try {
    // Twice each: another client may take the shared server connection in between and hide the conflict.
    await watched(second, url, async () => {
      for (const client of [first, second, first, second]) await client.query({ name, text: 'select 1' })
    })
    return true
  } catch (error) {
    if (!isLostStatement(error)) throw error
    return false
  } finally {
    await second.end().catch(() => {})
  }
}

/** Whether the connection goes to the server itself: a pooler reports a process id of its own at start-up. */
async function isServer(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const { processID } = client as unknown as { processID: number | null }
  return rows[0]?.pid === processID
}

/** Whether a prepared statement already exists (from another connection) or is missing: SQLSTATE 42P05 or 26000. */
export function isLostStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '42P05' || error.code === '26000')
}
