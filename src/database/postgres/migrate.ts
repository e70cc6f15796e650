import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { DatabaseError, mayMigrate, type OpenOptions } from '../database.js'
import { pendingMigrations, readMigrations } from '../migrations.js'

/** The advisory lock of migrations: "LKEY". */
const MIGRATION_LOCK = 0x4c4b4559
/** How long to wait while another process migrates, or while other transactions hold the tables to migrate. */
const MIGRATION_TIMEOUT_MS = 5 * 60_000
/** Requests of running replicas queue behind the wait for a table, and fail after three seconds. */
const TABLE_LOCK_TIMEOUT_MS = 1_000
/** Time for the queued requests, before the next attempt. */
const RETRY_PAUSE_MS = 2_000

const HELD = 'The migration has to wait for another transaction, such as a pg_dump'

/** Applies all pending migrations in one transaction, one process at a time. Resolves to whether there were any. */
export async function migrate(client: pg.Client, options: OpenOptions): Promise<boolean> {
  const deadline = performance.now() + MIGRATION_TIMEOUT_MS
  for (let hasTold = false; ; hasTold = true) {
    try {
      return await migrateOnce(client, options)
    } catch (error) {
      if (!isLocked(error)) throw error
      if (performance.now() > deadline) {
        throw new DatabaseError(`${HELD}: end it (see pg_stat_activity), or migrate later.`, { cause: error })
      }
      if (!hasTold) options.onNotice?.(`${HELD}; trying again for up to ${MIGRATION_TIMEOUT_MS / 60_000} min.`)
    }
    await sleep(RETRY_PAUSE_MS)
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '55P03'
}

async function migrateOnce(client: pg.Client, options: OpenOptions): Promise<boolean> {
  await client.query('begin')
  try {
    await client.query(`set local lock_timeout = ${MIGRATION_TIMEOUT_MS}`)
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
    await client.query(`set local lock_timeout = ${TABLE_LOCK_TIMEOUT_MS}`)
    const applied = await appliedMigrations(client)
    const pending = pendingMigrations(readMigrations('pg'), applied ?? [])
    if (pending.length > 0 && !mayMigrate(options, applied?.length ?? 0)) {
      const what =
        applied === undefined ? 'it contains no Latchkey installation' : 'it is older than this version of Latchkey'
      throw new DatabaseError(`${what}: run latchkey migrate.`)
    }
    if (applied === undefined) {
      await client.query(
        'create table migrations (name text primary key, hash text not null, applied_at bigint not null)',
      )
    }
    for (const { name, hash, statements } of pending) {
      for (const statement of statements) await client.query(statement)
      await client.query(
        'insert into migrations values ($1, $2, (extract(epoch from statement_timestamp()) * 1000)::bigint)',
        [name, hash],
      )
    }
    await client.query('commit')
    return pending.length > 0
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

/** The applied migrations. Undefined if the table `migrations` does not exist. */
async function appliedMigrations(client: pg.Client): Promise<{ name: string; hash: string }[] | undefined> {
  // Checks instead of `create table if not exists`, so that a role without CREATE can use existing tables.
  const { rows } = await client.query<{ isThere: boolean }>(
    `select to_regclass(format('%I.migrations', current_schema())) is not null as "isThere"`,
  )
  if (!rows[0]?.isThere) return undefined
  return (await client.query<{ name: string; hash: string }>('select name, hash from migrations order by name')).rows
}
