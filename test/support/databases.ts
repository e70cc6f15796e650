import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'

/** The server of a run on PostgreSQL (npm run test:postgres); undefined in a run on SQLite. */
export const SERVER_URL = process.env.TEST_DATABASE === 'postgres' ? process.env.TEST_DATABASE_URL : undefined

/** For `{ skip }` of tests that are about one engine alone. */
export const SQLITE_ONLY = SERVER_URL === undefined ? false : 'about SQLite alone'
export const POSTGRES_ONLY = SERVER_URL === undefined ? 'needs PostgreSQL: npm run test:postgres' : false

/** The settings of an empty database that is gone after the test. */
export async function freshDatabase(t: Test): Promise<{ DATABASE_URL: string } & Record<string, string>> {
  if (SERVER_URL === undefined) return { DATABASE_URL: `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}` }
  return postgresSettings(await createDatabase(t, SERVER_URL))
}

/** What a service needs beside the address of a PostgreSQL database. */
export function postgresSettings(url: string) {
  return { DATABASE_URL: url, SECRET_KEY: 'k0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-of-tests', POOL_SIZE: '4' }
}

/** A new database on a server. Returns its address. */
export async function createDatabase(t: Test, serverUrl: string, encoding = 'UTF8'): Promise<string> {
  const name = `latchkey_${randomBytes(6).toString('hex')}`
  await onServer(serverUrl, `create database ${name} encoding '${encoding}' template template0`)
  t.teardown(() => onServer(serverUrl, `drop database ${name} with (force)`).catch(() => {}))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Runs one statement on a connection of its own. */
export async function onServer(url: string, statement: string): Promise<Record<string, unknown>[]> {
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
