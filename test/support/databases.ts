import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { readMigrations } from '../../src/database/migrations.js'
import { openDatabase } from '../../src/database/open.js'

/** The server of a run on PostgreSQL (npm run test:postgres); undefined in a run on SQLite. */
export const SERVER_URL = process.env.TEST_DATABASE === 'postgres' ? process.env.TEST_DATABASE_URL : undefined

/**
 * Connections to that server, kept until the process ends: a new connection costs the server more than to create or
 * drop a database.
 */
const keptConnections = new pg.Pool({ connectionString: SERVER_URL, idleTimeoutMillis: 0, allowExitOnIdle: true })
// Without a listener, the end of the server would crash this process.
keptConnections.on('error', () => {})

/** Values of `skip` for tests of a single engine. */
export const SQLITE_ONLY = SERVER_URL === undefined ? false : 'about SQLite alone'
export const POSTGRES_ONLY = SERVER_URL === undefined ? 'needs PostgreSQL: npm run test:postgres' : false

/** The settings of an empty database, which is deleted after the test. */
export async function freshDatabase(t: Test): Promise<{ DATABASE_URL: string } & Record<string, string>> {
  if (SERVER_URL === undefined) return { DATABASE_URL: `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}` }
  return postgresSettings(await createDatabase(t, SERVER_URL))
}

/**
 * The settings of a migrated and unused database, which is deleted after the test. The database is a copy of a
 * template, which the code under test migrates once per process for SQLite, and once per server for PostgreSQL.
 */
export async function migratedDatabase(t: Test): Promise<{ DATABASE_URL: string } & Record<string, string>> {
  if (SERVER_URL === undefined) {
    const file = join(await temporaryFolder(t), 'latchkey.db')
    sqliteTemplate ??= makeSqliteTemplate()
    await copyFile(await sqliteTemplate, file)
    return { DATABASE_URL: `sqlite:${file}` }
  }
  postgresTemplate ??= makePostgresTemplate(SERVER_URL)
  return postgresSettings(await createDatabase(t, SERVER_URL, { template: await postgresTemplate }))
}

let sqliteTemplate: Promise<string> | undefined
let postgresTemplate: Promise<string> | undefined

async function makeSqliteTemplate(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-template-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'template.db')
  await (await openDatabase(`sqlite:${file}`, { migrate: true })).close()
  return file
}

/**
 * The name contains a hash of the migrations, so that a server that outlives a run has a template for each set of
 * migrations.
 */
async function makePostgresTemplate(serverUrl: string): Promise<string> {
  const hashes = readMigrations('pg').map(({ hash }) => hash)
  const name = `latchkey_template_${createHash('sha256').update(hashes.join()).digest('hex').slice(0, 16)}`
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    // Processes that start at the same time wait until the first of them has created the template.
    await client.query('select pg_advisory_lock(hashtext($1))', [name])
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
    if (rowCount === 0) await migrateUnder(client, serverUrl, name)
    return name
  } finally {
    await client.end()
  }
}

/** Builds the template under a temporary name, so that a process that exits meanwhile leaves no incomplete template. */
async function migrateUnder(client: pg.Client, serverUrl: string, name: string): Promise<void> {
  const draft = `${name}_draft`
  await client.query(`drop database if exists ${draft} with (force)`)
  await client.query(`create database ${draft} encoding 'UTF8' template template0`)
  const url = new URL(serverUrl)
  url.pathname = `/${draft}`
  await (await openDatabase(url.href, { migrate: true, poolSize: 1 })).close()
  await client.query(`alter database ${draft} rename to ${name}`)
}

/** The settings that a service on PostgreSQL needs. */
export function postgresSettings(url: string) {
  return { DATABASE_URL: url, SECRET_KEY: 'k0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-of-tests', POOL_SIZE: '4' }
}

/**
 * A new database on a server. Returns its address. Copies the files of the template: PostgreSQL's default, a copy of
 * each page through the write-ahead log, takes four times the CPU time.
 */
export async function createDatabase(
  t: Test,
  serverUrl: string,
  { encoding = 'UTF8', template = 'template0' } = {},
): Promise<string> {
  const name = `latchkey_${randomBytes(6).toString('hex')}`
  await onServer(serverUrl, `create database ${name} encoding '${encoding}' template ${template} strategy file_copy`)
  t.teardown(() => onServer(serverUrl, `drop database ${name} with (force)`).catch(() => {}))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Runs a statement, on a new connection unless the server is the one of the run. */
export async function onServer(url: string, statement: string): Promise<Record<string, unknown>[]> {
  if (url === SERVER_URL) return (await keptConnections.query(statement)).rows
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}
