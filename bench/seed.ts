import { copyFile } from 'node:fs/promises'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config/config.js'
import { loadDriver } from '../src/database/sqlite/driver.js'
import { hashPassword } from '../src/passwords/hashes.js'
import { schemeOf } from '../src/passwords/scheme.js'
import type { Person } from './servers.js'

export const PASSWORD = 'three quiet lanterns'
const ROWS_PER_USER = 100
/** The number of users that send requests: a tenth of those in the largest database. */
const CALLERS = 1_000
/** The PUBLIC_URL of the seeding and of each server, whose default would contain the server's own port. */
const ISSUER = 'http://bench.test'

export interface Seeded {
  /** Settings for a service that uses the database. */
  settings: Record<string, string>
  users: number
  rows: number
  people: Person[]
}

/**
 * A database with this many todos, a hundred per user. The rows are inserted in turn, so that a user's rows lie on
 * different pages.
 */
export async function seed(databaseUrl: string, rows: number): Promise<Seeded> {
  const settings = {
    DATABASE_URL: databaseUrl,
    PUBLIC_URL: ISSUER,
    SECRET_KEY: 'bench-Zk7Wd2mX9qLr4TfBv8HsYc3NpJg6EuAa',
    ACCESS_TOKEN_TTL: '1h',
    RATE_LIMIT: '1000000',
  }
  const users = Math.max(10, rows / ROWS_PER_USER)
  const app = await buildApp(loadConfig({ ...settings, LOG_LEVEL: 'silent' }))
  try {
    const client = { ip: '127.0.0.1', requestId: 'bench', userAgent: undefined }
    const first = await app.registration.register({ username: 'user1', password: PASSWORD }, client)
    await fill(databaseUrl, users, rows)
    const people: Person[] = []
    const step = Math.max(1, users / CALLERS)
    for (let id = 1; id <= users; id += step) {
      const tokens = await app.sessions.issue({ ...first, id }, client)
      people.push({ id, authorization: `Bearer ${tokens.access_token}`, refreshToken: tokens.refresh_token })
    }
    return { settings, users, rows, people }
  } finally {
    await app.close()
  }
}

/** Another SQLite database with the same content. */
export async function copyOf(seeded: Seeded, name: string): Promise<Seeded & { file: string }> {
  const from = fileOf(seeded)
  const file = `${name}.db`
  await copyFile(from, file)
  return { ...seeded, file, settings: { ...seeded.settings, DATABASE_URL: `sqlite:${file}` } }
}

/** As `copyOf`, for a service that hashes with argon2id; every stored hash is an argon2id hash already. */
export async function copyWithArgon2id(seeded: Seeded, name: string): Promise<Seeded> {
  const copy = await copyOf(seeded, name)
  const settings = { ...copy.settings, PASSWORD_HASH: 'argon2id' }
  const Sqlite = await loadDriver()
  const db = new Sqlite(copy.file)
  db.prepare('update users set password_hash = ?').run(hashPassword(PASSWORD, schemeOf(loadConfig(settings))))
  db.close()
  return { ...copy, settings }
}

function fileOf({ settings }: Seeded): string {
  return (settings.DATABASE_URL ?? '').slice('sqlite:'.length)
}

const USERS = `select 'user' || n as username, 'user' || n as username_key, 'user' || n || '@example.com' as email,
  'user' || n || '@example.com' as email_key, 'User ' || n as name, password_hash, 'user' as role`
const TODOS = `1 + (n - 1) % USERS as user_id, 'Water the plants, all ' || n as title,
  case when n % 2 = 0 then 'The fern in the hall too, and the two on the stairs' end as description`
const TIME = 1_790_000_000_000

async function fill(databaseUrl: string, users: number, rows: number): Promise<void> {
  const isSqlite = databaseUrl.startsWith('sqlite:')
  const [yes, no] = isSqlite ? [1, 0] : ['true', 'false']
  const series = (from: number, to: number) =>
    isSqlite
      ? `(with recursive s(n) as (select ${from} union all select n + 1 from s where n < ${to}) select n from s)`
      : `generate_series(${from}, ${to}) as s(n)`
  const statements = [
    `insert into users (username, username_key, email, email_key, name, password_hash, role, is_active, created_at, updated_at)
     ${USERS}, ${yes}, ${TIME} + n, ${TIME} + n from ${series(2, users)}, users where users.id = 1`,
    // PostgreSQL has a sequence; SQLite would give every row of one insert the same id.
    `insert into todos (${isSqlite ? 'id, ' : ''}user_id, title, description, done, due_at, version, created_at, updated_at)
     select ${isSqlite ? 'n, ' : ''}${TODOS.replace('USERS', String(users))}, case when n % 3 = 0 then ${yes} else ${no} end,
     case when n % 4 = 0 then ${TIME} + cast(n as bigint) * 1000 end, 1, ${TIME} + n, ${TIME} + n from ${series(1, rows)}`,
  ]
  await (isSqlite ? fillSqlite(databaseUrl, statements) : fillPostgres(databaseUrl, statements))
}

async function fillSqlite(databaseUrl: string, statements: string[]): Promise<void> {
  const Sqlite = await loadDriver()
  const db = new Sqlite(databaseUrl.slice('sqlite:'.length))
  db.pragma('foreign_keys = OFF')
  db.exec(`begin; ${statements.join(';')}; commit`)
  db.pragma('wal_checkpoint(truncate)')
  db.close()
}

async function fillPostgres(databaseUrl: string, statements: string[]): Promise<void> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    for (const statement of [...statements, 'vacuum analyze', 'checkpoint']) await client.query(statement)
  } finally {
    // Without this, "connection terminated" would hide the error of a failed statement.
    await client.end()
  }
}
