import type pg from 'pg'
import { DatabaseError } from '../database.js'

/**
 * Settings that an operator may have changed for the role, the database or the server, and that statements here depend on:
 * as each connection has them. A lock is waited for as long as a statement may take; the pool ends idle connections itself.
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

/** What this version of the server does not know is left out. A commit that may be lost is none: `off` becomes `local`. */
const SETTLE = `
  select set_config(wanted.name, wanted.value, false)
  from (values ${PAIRS}) as wanted (name, value) where current_setting(wanted.name, true) is not null
  union all
  select set_config('synchronous_commit', 'local', false) where current_setting('synchronous_commit') = 'off'`

/** Gives a new connection the settings that statements depend on. Behind a pooler of transactions, it may not be the next. */
export async function settleSession(connection: {
  query(statement: { text: string }): Promise<unknown>
}): Promise<void> {
  await connection.query({ text: SETTLE })
}

/** Settings that an operator has made on purpose, so that they are not changed here, and under which no accounts can be kept. */
const OBSTACLES = `
  select name, current_setting(name) as value
  from (values ('default_transaction_read_only', 'on'), ('session_replication_role', 'replica')) as obstacle (name, value)
  where current_setting(name) = value and (name = 'session_replication_role' or not pg_is_in_recovery())`

/**
 * Refuses settings under which nothing can be written, or is written without triggers and foreign keys.
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
