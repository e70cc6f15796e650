import type pg from 'pg'
import { DatabaseError } from '../database.js'

/**
 * Session settings that the queries depend on, in case an operator changed them for the role, the database or the
 * server. `lock_timeout` is off because `statement_timeout` already limits the wait; idle connections are closed by the
 * pool.
 */
const SESSION: Record<string, string> = {
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  lock_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  standard_conforming_strings: 'on',
  row_security: 'on',
  bytea_output: 'hex',
  DateStyle: 'ISO, YMD',
  TimeZone: 'UTC',
}

const PAIRS = Object.entries(SESSION)
  .map(([name, value]) => `('${name}', '${value}')`)
  .join(', ')

/**
 * Skips settings that this server version does not have. Raises `synchronous_commit` from `off` to `local`: with `off`,
 * a crash loses acknowledged commits.
 */
const APPLY_SETTINGS = `
  select set_config(wanted.name, wanted.value, false)
  from (values ${PAIRS}) as wanted (name, value) where current_setting(wanted.name, true) is not null
  union all
  select set_config('synchronous_commit', 'local', false) where current_setting('synchronous_commit') = 'off'`

/**
 * Applies the settings to a new connection. A transaction pooler may run the next transaction on another connection.
 */
export async function applySettings(connection: {
  query(statement: { text: string }): Promise<unknown>
}): Promise<void> {
  await connection.query({ text: APPLY_SETTINGS })
}

/** Deliberate settings of the operator, which are reported instead of overridden: Latchkey cannot run under them. */
const OBSTACLES = `
  select name, current_setting(name) as value
  from (values ('default_transaction_read_only', 'on'), ('session_replication_role', 'replica')) as obstacle (name, value)
  where current_setting(name) = value and (name = 'session_replication_role' or not pg_is_in_recovery())`

/**
 * Refuses a read-only database, and a replica role, under which triggers and foreign keys do not run.
 * @throws DatabaseError that names the setting
 */
export async function assertWritable(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string; value: string }>(OBSTACLES)
  const [obstacle] = rows
  if (obstacle === undefined) return
  const { name, value } = obstacle
  throw new DatabaseError(
    `${name} is ${value} for this role or database: run alter role ... reset ${name}, or alter database ... reset ${name}.`,
  )
}
