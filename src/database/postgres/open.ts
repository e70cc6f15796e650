import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import * as tables from '../../../drizzle/schema.pg.js'
import { Problem } from '../../problems.js'
import { statements, timed } from '../../telemetry/channels.js'
import { ADDRESS_NAME, type Database, DatabaseError, type Db, type OpenOptions, withEffects } from '../database.js'
import { assertPostgresUrl } from './address.js'
import type { Client } from './client.js'
import { migrate } from './migrate.js'
import { assertOwnSchema } from './own-schema.js'
import { Pool, type Runner } from './pool.js'
import { connectFirst, type FirstConnection, type Probe, probePooler } from './pooler.js'
import { recordedOn } from './recorded.js'
import { applySettings, assertWritable } from './session.js'
import { CONNECT_TIMEOUT_MS, watched } from './watched.js'

const DEFAULT_POOL_SIZE = 10
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** The advisory lock of long transactions: "LKEZ". */
const LONG_TRANSACTION_LOCK = 0x4c4b455a
/** The advisory lock of the triggers that compare user names with addresses: "LKEN". */
const NAMES_LOCK = 0x4c4b454e

/**
 * SQLSTATEs of a table with one of our names that belongs to another application: duplicate table, undefined column.
 */
const ANOTHERS_TABLE = new Set(['42P07', '42703'])

/** Errors of the driver, which have no code. */
const PERMANENT = /^SASL|does not support SSL/
/** What the driver says if the server asks for a password and the address has none. */
const NO_PASSWORD = /client password must be a (non-empty )?string/

/** Opens the PostgreSQL database at `url`. @throws DatabaseError */
export async function openPostgres(url: string, options: OpenOptions): Promise<Database> {
  assertPostgresUrl(url, options.addressName ?? ADDRESS_NAME)
  const probe = await migrateAndProbe(url, options)
  for (const advice of probe.advice) options.onNotice?.(advice)

  const pool = new Pool(url, options.poolSize ?? DEFAULT_POOL_SIZE, probe)
  const db = drizzleOn(pool)
  return {
    db,
    tables,
    now: sql<number>`(extract(epoch from statement_timestamp()) * 1000)::bigint`,
    forShare: sql`for share`,
    forUpdate: sql`for update`,
    forUpdateSkipLocked: sql`for update skip locked`,
    transaction: withEffects((work) => timed(statements, () => pool.transaction((runner) => work(drizzleOn(runner))))),
    prepareRecorded: recordedOn(db),
    longTransaction: (work, limitMs) =>
      pool.transaction(
        async (runner) => {
          await runner.query({ text: `select pg_advisory_xact_lock(${LONG_TRANSACTION_LOCK})` })
          // Taken before the first row, to avoid a deadlock: an import that upgrades from the shared lock would wait
          // for a registration that holds the shared lock and waits for a row of the import.
          await runner.query({ text: `select pg_advisory_xact_lock(${NAMES_LOCK})` })
          return work(drizzleOn(runner))
        },
        { tries: 1, limitMs },
      ),
    snapshot: (work, limitMs) =>
      pool.transaction((runner) => work(drizzleOn(runner)), {
        begin: 'begin isolation level repeatable read read only',
        tries: 1,
        limitMs,
      }),
    async lastId(db, table) {
      const sequence = sql`pg_sequence_last_value(pg_get_serial_sequence(${table}, 'id')::regclass)`
      const { rows } = (await db.execute(sql`select ${sequence} as id`)) as unknown as { rows: { id: number | null }[] }
      return rows[0]?.id ?? 0
    },
    async setLastId(db, table, id) {
      await db.execute(sql`select setval(pg_get_serial_sequence(${table}, 'id'), ${Math.max(id, 1)}, ${id > 0})`)
    },
    warning: () => undefined,
    secretFile: undefined,
    async ping() {
      const writable = "select current_setting('transaction_read_only') = 'off' as is, (select 1 from users limit 1)"
      const { rows } = await pool.query({ text: writable })
      // A standby that is not promoted yet answers, but every log-in would fail.
      if (!rows[0]?.is) throw new Problem('database_unavailable')
    },
    close: () => pool.close(),
  }
}

/** Drizzle only calls `query` of a client, so a Runner is enough. */
function drizzleOn(runner: Runner): Db {
  return drizzle({ client: runner as unknown as pg.Client, schema: tables })
}

/** Migrates, then probes for a pooler, on the same connection. */
async function migrateAndProbe(url: string, options: OpenOptions): Promise<Probe> {
  const first = await connectWithRetries(url, options)
  const { client } = first
  const work = async () => {
    await prepareDatabase(client, options)
    return probePooler(first, url)
  }
  try {
    return await watched(client, url, work, options.connectTimeoutMs)
  } catch (error) {
    await client.end().catch(() => {})
    throw asDatabaseError(error, url)
  }
}

async function prepareDatabase(client: Client, options: OpenOptions): Promise<void> {
  // Sent as one query before any other: a timeout would cancel a long migration.
  await client.query('set statement_timeout = 0; set idle_in_transaction_session_timeout = 0')
  await applySettings(client)
  await assertUtf8(client)
  // Without migrations the database may be read-only: the source of `latchkey copy`.
  if (options.migrate) await assertWritable(client)
  await assertOwnSchema(client)
  const isChanged = await migrate(client, options)
  if (isChanged) await assertOwnSchema(client)
  await client.query('reset statement_timeout; reset idle_in_transaction_session_timeout')
}

async function connectWithRetries(
  url: string,
  { connectTimeoutMs = CONNECT_TIMEOUT_MS, onNotice }: OpenOptions,
): Promise<FirstConnection> {
  const deadline = performance.now() + connectTimeoutMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await connectFirst(url)
    } catch (error) {
      const failure = asDatabaseError(error, url)
      if (!isTemporary(error) || performance.now() + pauseMs > deadline) throw failure
      if (pauseMs === FIRST_PAUSE_MS) {
        onNotice?.(`${failure.message}; trying again for up to ${Math.round(connectTimeoutMs / 1_000)} s.`)
      }
    }
    await sleep(pauseMs)
  }
}

/** Whether a retry may succeed. A wrong certificate, password or database name is permanent. */
function isTemporary(error: unknown): boolean {
  const { code = '', syscall, message } = error as NodeJS.ErrnoException
  if (/^ERR_TLS|CERT|SIGNATURE/.test(code) || syscall === 'open' || PERMANENT.test(message)) return false
  return !(error instanceof pg.DatabaseError) || /^(08|53|57P03)/.test(error.code ?? '')
}

async function assertUtf8(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ server_encoding: string }>('show server_encoding')
  const encoding = rows[0]?.server_encoding
  if (encoding !== 'UTF8') throw new DatabaseError(`its encoding is ${encoding}: create it with ENCODING 'UTF8'.`)
}

function asDatabaseError(error: unknown, url: string): DatabaseError {
  // Strips user and password, because the message is logged.
  const place = url.replace(/\/\/.*@/, '//').replace(/\?.*$/s, '')
  const { message, code = '' } = error as { message: string; code?: string }
  const advice = ANOTHERS_TABLE.has(code) ? '. Give Latchkey a database or a schema of its own.' : ''
  const reason = NO_PASSWORD.test(message)
    ? 'it asks for a password, and its address has none: postgres://user:password@host/database'
    : `${message || code}${advice}`
  return new DatabaseError(`The database ${place} cannot be used: ${reason}`, { cause: error })
}
