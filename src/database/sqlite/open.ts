import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, linkSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import { sql } from 'drizzle-orm'
import type { SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy'
import * as sqliteSchema from '../../../drizzle/schema.sqlite.js'
import { REQUEST_TIMEOUTS } from '../../timeouts.js'
import {
  ADDRESS_NAME,
  type Database,
  DatabaseError,
  type Db,
  mayMigrate,
  type OpenOptions,
  type Tables,
  withEffects,
} from '../database.js'
import { pendingMigrations, readMigrations } from '../migrations.js'
import { loadDriver } from './driver.js'
import { ExclusiveConnection } from './exclusive-connection.js'
import { reasonOf, removeDraft } from './files.js'
import { recordedOn } from './recorded.js'
import { codeOf, isBusy, retryWhileLocked } from './shared-transactions.js'
import { createRunner, createSharedRunner, drizzleOn } from './statements.js'

type Connection = BetterSqlite3.Database

/** Marks the file as ours in its header: "LKEY". */
const APPLICATION_ID = 0x4c4b4559
// SQLite's own wait for a lock blocks the process, so it is short; longer waits are retries (shared-transactions.ts).
const BUSY_TIMEOUT_MS = 10
/** Upper limit of the page cache. A page outside the cache costs a system call. */
const CACHE_KIB = 64 * 1_024
const MIGRATION_LOCK_TIMEOUT_MS = 30_000
/** The size to which the write-ahead log is truncated after a checkpoint. */
const LOG_KEPT_BYTES = 16 * 2 ** 20
const LOG_ALARM_BYTES = 64 * 2 ** 20

/** Opens the SQLite file at `path`. Creates a missing file. @throws DatabaseError */
export async function openSqlite(path: string, options: OpenOptions): Promise<Database> {
  const file = resolve(path)
  const Sqlite = await loadDriver()
  const connect = (path: string, readonly = false) => new Sqlite(path, { timeout: BUSY_TIMEOUT_MS, readonly })
  if (!existsSync(file)) make(connect, file, options)
  await retryWhileLocked(MIGRATION_LOCK_TIMEOUT_MS, () => examine(connect, file, options))
  const connection = connect(file)
  try {
    await retryWhileLocked(MIGRATION_LOCK_TIMEOUT_MS, () => {
      configure(connection)
      migrate(connection, file, options)
    })
  } catch (error) {
    connection.close()
    throw asDatabaseError(error, file)
  }

  const { lockMs = REQUEST_TIMEOUTS.lockMs } = options
  const { db, run, transaction } = createSharedRunner(connection, lockMs)
  const exclusive = new ExclusiveConnection(() => {
    const second = connect(file)
    configure(second)
    second.pragma('foreign_keys = ON')
    return second
  }, lockMs)
  return {
    db,
    tables: sqliteSchema as unknown as Tables,
    now: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
    forShare: sql``,
    forUpdate: sql``,
    forUpdateSkipLocked: sql``,
    transaction: withEffects(transaction),
    prepareRecorded: recordedOn(db, transaction),
    longTransaction: (work) => exclusive.transaction(work),
    async snapshot(work) {
      const reader = connect(file, true)
      try {
        reader.exec('begin')
        return await work(drizzleOn(createRunner(reader)))
      } finally {
        reader.close()
      }
    },
    async lastId(db, table) {
      const rows = await raw(db).all<[number]>(
        sql`select last from row_ids where name = ${table} union all select seq from sqlite_sequence where name = ${table}`,
      )
      return rows[0]?.[0] ?? 0
    },
    async setLastId(db, table, id) {
      // Tables clustered by owner count ids in `row_ids`; the others use AUTOINCREMENT.
      const counted = sql`update row_ids set last = ${id}, is_taken = 0 where name = ${table} returning name`
      if ((await raw(db).all(counted)).length > 0) return
      await raw(db).run(sql`delete from sqlite_sequence where name = ${table}`)
      await raw(db).run(sql`insert into sqlite_sequence (name, seq) values (${table}, ${id})`)
    },
    warning() {
      const size = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
      if (size <= LOG_ALARM_BYTES) return undefined
      return `The log ${file}-wal has grown to ${Math.round(size / 2 ** 20)} MiB: another program that reads the database for a long time (a shell, a backup) prevents checkpoints. Stop that program.`
    },
    secretFile: `${file}.secret`,
    async ping() {
      await run('select 1 from users limit 1', [], 'get')
    },
    async close() {
      await exclusive.close()
      connection.close()
    },
  }
}

/** The SQLite type of drizzle, for SQLite-only statements. */
function raw(db: Db): SqliteRemoteDatabase {
  return db as unknown as SqliteRemoteDatabase
}

/** Checks a file without writing: closing a writable connection would checkpoint the WAL into a damaged file. */
function examine(
  connect: (path: string, readonly: boolean) => Connection,
  file: string,
  { addressName = ADDRESS_NAME }: OpenOptions,
): void {
  if (statSync(file).size === 0) {
    throw new DatabaseError(
      `The database ${file} is empty. Restore it from a backup, or delete it to start with a new database.`,
    )
  }
  const log = statSync(`${file}-wal`, { throwIfNoEntry: false })
  let connection: Connection | undefined
  try {
    connection = connect(file, true)
    assertOurs(connection, file, addressName)
    if (log !== undefined && log.size > 0) assertSound(connection, file)
  } catch (error) {
    throw isBusy(error) ? error : asDatabaseError(error, file)
  } finally {
    connection?.close()
  }
}

/**
 * Creates a database under a temporary name and hard-links it into place, so other processes see either no file or a
 * complete file.
 */
function make(connect: (path: string) => Connection, file: string, options: OpenOptions): void {
  if (!options.migrate) {
    const advice = `check ${options.addressName ?? ADDRESS_NAME} and the working directory, or run latchkey migrate`
    throw new DatabaseError(`There is no database at ${resolve(file)}: ${advice}.`)
  }
  const draft = `${file}.${randomUUID()}`
  let connection: Connection | undefined
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    // Created here for its mode, which SQLite copies to the WAL and shared-memory files.
    closeSync(openSync(draft, 'wx', 0o600))
    connection = connect(draft)
    configure(connection)
    migrate(connection, draft, options)
    connection.close()
    linkSync(draft, file)
  } catch (cause) {
    const wasMadeByAnother = (cause as NodeJS.ErrnoException).code === 'EEXIST' && existsSync(file)
    if (!wasMadeByAnother) {
      throw new DatabaseError(`The database ${file} cannot be created: ${reasonOf(cause, draft)}`, { cause })
    }
  } finally {
    connection?.close()
    removeDraft(draft)
  }
}

function assertOurs(connection: Connection, file: string, addressName: string): void {
  if (connection.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
    throw new DatabaseError(`The file ${file} is not a Latchkey database. Point ${addressName} at another file.`)
  }
}

function assertSound(connection: Connection, file: string): void {
  const verdict = connection.pragma('quick_check(1)', { simple: true })
  if (verdict !== 'ok')
    throw new DatabaseError(`The database ${file} is damaged: restore it from a backup. (${verdict})`)
}

function configure(connection: Connection): void {
  connection.pragma('journal_mode = WAL')
  // Set on every open: the driver defaults to NORMAL in WAL mode, which may lose acknowledged rows in a power failure.
  connection.pragma('synchronous = FULL')
  // Without a limit the WAL file never shrinks.
  connection.pragma(`journal_size_limit = ${LOG_KEPT_BYTES}`)
  connection.pragma('trusted_schema = OFF')
  // Overwrites deleted content in every page that is written anyway, so erased accounts do not stay in the file.
  connection.pragma('secure_delete = fast')
  connection.pragma(`cache_size = ${-CACHE_KIB}`)
}

function migrate(connection: Connection, file: string, options: OpenOptions): void {
  // drizzle-kit rebuilds tables with `foreign_keys = OFF` inside a transaction, where the pragma has no effect: the
  // cascade would empty child tables. So foreign keys are off until the migrations are done and checked.
  connection.pragma('foreign_keys = OFF')
  connection.exec('begin exclusive')
  try {
    connection.exec(
      'create table if not exists migrations (name text primary key, hash text not null, applied_at integer not null) strict',
    )
    const applied = connection.prepare('select name, hash from migrations order by name').all()
    const pending = pendingMigrations(readMigrations('sqlite'), applied as { name: string; hash: string }[])
    if (pending.length > 0 && !mayMigrate(options, applied.length)) {
      throw new DatabaseError(`The database ${file} is older than this version of Latchkey: run latchkey migrate.`)
    }
    for (const { name, hash, statements } of pending) {
      for (const statement of statements) connection.exec(statement)
      connection.prepare("insert into migrations values (?, ?, unixepoch('subsec') * 1000)").run(name, hash)
    }
    // Only after migrations: the check reads every row and would slow each start as the database grows.
    const orphans = pending.length > 0 ? (connection.pragma('foreign_key_check') as unknown[]) : []
    if (orphans.length > 0)
      throw new DatabaseError(`The database ${file} has ${orphans.length} rows whose parent row is missing.`)
    connection.pragma(`application_id = ${APPLICATION_ID}`)
    connection.exec('commit')
  } catch (error) {
    if (connection.inTransaction) connection.exec('rollback')
    throw error
  }
  connection.pragma('foreign_keys = ON')
}

function asDatabaseError(error: unknown, file: string): unknown {
  const code = codeOf(error)
  if (code === 'SQLITE_NOTADB') {
    const what =
      'is not an SQLite database, or its first page is damaged: name another file, or restore it from a backup.'
    return new DatabaseError(`The file ${file} ${what}`, { cause: error })
  }
  if (/^SQLITE_(CORRUPT|IOERR_SHORT_READ)/.test(code)) {
    return new DatabaseError(`The database ${file} is damaged: restore it from a backup. (${code})`, { cause: error })
  }
  if (code.startsWith('SQLITE_')) {
    return new DatabaseError(`The database ${file} cannot be opened: ${reasonOf(error, file)} (${code})`, {
      cause: error,
    })
  }
  return error
}
