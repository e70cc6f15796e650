// On SQLite alone: the migrations for SQLite.

import { join } from 'node:path'
import { hash } from '@node-rs/bcrypt'
import t from 'tap'
import { DatabaseError } from '../../src/database/database.js'
import { type Migration, readMigrations } from '../../src/database/migrations.js'
import { openDatabase } from '../../src/database/open.js'
import { makeRefreshToken } from '../../src/tokens/refresh-tokens.js'
import { claimsOf, PASSWORD, type Person, startService, temporaryFolder } from '../helper.js'
import { type Connection, openFile } from '../support/sqlite.js'

const MIGRATIONS = readMigrations('sqlite')
const BEFORE_ROWS_BY_OWNER = MIGRATIONS.slice(0, 4)
const BEFORE_AUTH_VERSIONS = MIGRATIONS.slice(0, 9)
/** Tables that a later migration drops: their tokens are valid for an hour only. */
const ENDED = ['password_resets']
const ROWS = 3
const DAY_MS = 86_400_000
const SESSION_ID = '7d444840-9dc0-41c9-8c5b-5e8bd3b5c2a1'

for (let done = 0; done <= MIGRATIONS.length; done += 1) {
  t.test(
    `a database with ${done} of ${MIGRATIONS.length} migrations applied keeps its rows when the rest are applied`,
    async (t) => {
      const file = join(await temporaryFolder(t), 'latchkey.db')
      const old = await openFile(t, file)
      apply(old, MIGRATIONS.slice(0, done))
      const before = fill(old)
      t.equal(before.size > 0, done > 0)
      const database = await openDatabase(`sqlite:${file}`, { migrate: true })
      t.teardown(() => database.close())
      for (const [table, rows] of before) {
        if (ENDED.includes(table)) continue
        const kept = contents(old, table)
        t.equal(kept.length, ROWS, table)
        for (const [index, row] of rows.entries())
          t.same(common(kept[index], row), common(row, kept[index]), `${table} ${index}`)
      }
      t.same(
        appliedIn(old),
        MIGRATIONS.map(({ name }) => name),
      )
      t.same(old.pragma('foreign_key_check'), [])
      t.same(old.pragma('integrity_check'), [{ integrity_check: 'ok' }])
    },
  )
}

t.test('a database that needs a migration is rejected if migrating is off, and stays unchanged', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const old = await openFile(t, file)
  apply(old, MIGRATIONS.slice(0, 1))
  const error = await reasonToRefuse(file, false)
  t.type(error, DatabaseError)
  t.match(error, { message: /older than this version.*latchkey migrate/ })
  t.equal(appliedIn(old).length, 1)
  await openAndClose(file, true)
  await t.resolves(openAndClose(file, false))
})

t.test('a new database file is rejected if migrating is off, and can be created afterwards', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  t.match(await reasonToRefuse(file, false), { message: /latchkey migrate/ })
  await t.resolves(openAndClose(file, true))
  await t.resolves(openAndClose(file, false))
})

t.test('a database with an edited, missing or newer migration is rejected', async (t) => {
  const cases = [
    { change: "update migrations set hash = 'of an edited file' where name like '0000%'", says: /0000.*edited/ },
    { change: "update migrations set hash = 'of an edited file' where name like '0001%'", says: /0001.*edited/ },
    { change: "insert into migrations values ('9999_later', 'x', 0)", says: /newer than this version.*9999_later/ },
    { change: "delete from migrations where name like '0000%'", says: /0001/ },
  ]
  for (const { change, says } of cases) {
    const file = join(await temporaryFolder(t), 'latchkey.db')
    await openAndClose(file, true)
    const other = await openFile(t, file)
    other.exec(change)
    const before = appliedIn(other)
    const error = await reasonToRefuse(file, true)
    t.type(error, DatabaseError, change)
    t.match(error, { message: says }, change)
    t.same(appliedIn(other), before)
  }
})

t.test('a migration that fails is rolled back as a whole, and can be run again', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const old = await openFile(t, file)
  apply(old, MIGRATIONS.slice(0, 1))
  // Blocks the last table that the second migration creates: the tables created before it must be rolled back too.
  old.exec('create table tutorials (id integer) strict')
  const before = old.prepare('select name, sql from sqlite_schema order by name').all()
  t.type(await reasonToRefuse(file, true), DatabaseError)
  t.same(old.prepare('select name, sql from sqlite_schema order by name').all(), before)
  t.equal(appliedIn(old).length, 1)
  old.exec('drop table tutorials')
  await t.resolves(openAndClose(file, true))
})

t.test('a migration that leaves rows without their parent row fails and is rolled back', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const old = await openFile(t, file)
  apply(old, BEFORE_ROWS_BY_OWNER)
  old.pragma('foreign_keys = off')
  old.exec("insert into todos (user_id, title, created_at, updated_at) values (7, 'x', 0, 0)")
  t.match(await reasonToRefuse(file, true), { message: /1 rows whose parent row is missing/ })
  t.equal(appliedIn(old).length, BEFORE_ROWS_BY_OWNER.length)
})

t.test(
  'the migration to tables stored by owner keeps every column, and the ids of deleted rows stay unused',
  async (t) => {
    const file = join(await temporaryFolder(t), 'latchkey.db')
    const old = await openFile(t, file)
    apply(old, BEFORE_ROWS_BY_OWNER)
    const stored = await hash(PASSWORD, 4)
    for (const name of ['mina', 'joon']) {
      old
        .prepare(
          'insert into users (username, username_key, password_hash, created_at, updated_at) values (?, ?, ?, 0, 0)',
        )
        .run(name, name, stored)
    }
    for (let n = 1; n <= 6; n += 1) {
      const owner = 2 - (n % 2)
      old.exec(`insert into todos (user_id, title, done, due_at, version, created_at, updated_at)
      values (${owner}, 'todo ${n}', ${n % 2}, ${n}, ${n}, ${10 * n}, ${20 * n});
      insert into tutorials (user_id, name, description, version, created_at, updated_at)
      values (${owner}, 'tutorial ${n}', '', ${n}, ${10 * n}, ${20 * n})`)
    }
    old.exec('delete from todos where id in (2, 5, 6); delete from tutorials')
    const before = contents(old, 'todos')
    t.equal(before.length, 3)

    const service = await startService(t, { DATABASE_URL: `sqlite:${file}` })
    t.same(contents(old, 'todos'), before)
    const [mina, joon] = [await service.logIn('mina'), await service.logIn('joon')]
    const titles = async (person: Person) =>
      (await person.get('/v1/todos')).json().items.map(({ id, title }: Row) => `${id} ${title}`)
    t.same([await titles(mina), await titles(joon)], [['3 todo 3', '1 todo 1'], ['4 todo 4']])
    t.equal((await mina.get('/v1/todos/3')).headers.etag, '"3"')
    t.equal((await mina.get('/v1/todos/4')).statusCode, 404)
    t.equal((await joon.post('/v1/todos', { title: 'x' })).json().id, 7)
    t.equal((await joon.post('/v1/tutorials', { name: 'x', description: '' })).json().id, 7)
    await service.app.accounts.delete(mina.id, { id: null })
    t.same(
      contents(old, 'todos').map(({ id, user_id }) => [id, user_id]),
      [
        [4, joon.id],
        [7, joon.id],
      ],
    )
  },
)

t.test('the migration to optional passwords keeps account ids, unique names and sessions', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const old = await openFile(t, file)
  apply(old, BEFORE_AUTH_VERSIONS)
  const stored = await hash(PASSWORD, 4)
  for (const name of ['mina', 'joon', 'gone']) {
    old
      .prepare(
        'insert into users (username, username_key, password_hash, created_at, updated_at) values (?, ?, ?, 0, 0)',
      )
      .run(name, name, stored)
  }
  old.exec(`delete from users where username = 'gone';
    insert into sessions (id, user_id, ip, created_at, last_used_at, idle_expires_at, expires_at, token_expires_at)
    values ('${SESSION_ID}', 1, '192.0.2.7', ${Date.now()}, ${Date.now()}, ${Date.now() + DAY_MS}, ${Date.now() + DAY_MS}, ${Date.now() + DAY_MS})`)
  old.exec(`insert into sessions select replace(id, '7d', '8d'), user_id, generation, ip, user_agent, created_at, last_used_at,
    idle_expires_at, expires_at, token_expires_at, revoked_at, repetitions, 'single' from sessions`)
  const service = await startService(t, { DATABASE_URL: `sqlite:${file}` })
  t.match(contents(old, 'sessions'), [
    { kind: 'api', client_id: 'latchkey', scope: null, amr: 'pwd' },
    { kind: 'compat', client_id: 'latchkey', scope: null, amr: 'pwd' },
  ])
  for (const row of contents(old, 'sessions')) t.equal(row.auth_time, row.created_at)
  t.same(
    contents(old, 'users').map(({ id, username, auth_version }) => [id, username, auth_version]),
    [
      [1, 'mina', 0],
      [2, 'joon', 0],
    ],
  )
  const refresh_token = makeRefreshToken(
    { sessionId: SESSION_ID, generation: 0 },
    service.app.secret.derive('refresh-token'),
  )
  const refreshed = await service.post('/v1/refresh', { refresh_token })
  t.equal(refreshed.statusCode, 200, 'the session from before the migration goes on')
  t.match(claimsOf(refreshed.json().access_token), { sub: '1', sid: SESSION_ID, role: 'user' })
  t.equal((await service.signUp('nara')).id, 4, 'an id is never given out twice')
  t.throws(() => old.exec("update users set email_key = 'joon' where id = 1"), /user name of somebody else/)
  t.equal((await service.logIn('mina')).id, 1)
})

t.test('the migration of an empty accounts table does not give out the ids of deleted accounts again', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const old = await openFile(t, file)
  apply(old, BEFORE_AUTH_VERSIONS)
  old.exec(
    "insert into users (username, password_hash, created_at, updated_at) values ('gone', 'x', 0, 0); delete from users",
  )
  const service = await startService(t, { DATABASE_URL: `sqlite:${file}` })
  t.equal((await service.signUp('mina')).id, 2)
})

t.test('a new file that is opened four times at once is migrated once', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const databases = await Promise.all([1, 2, 3, 4].map(() => openDatabase(`sqlite:${file}`, { migrate: true })))
  for (const database of databases) t.teardown(() => database.close())
  await Promise.all(databases.map((database) => database.ping()))
  t.equal(appliedIn(await openFile(t, file)).length, MIGRATIONS.length)
})

type Row = Record<string, unknown>

/** Applies migrations as the service does, but lets a test stop after any of them. */
function apply(connection: Connection, migrations: Migration[]): void {
  connection.pragma('application_id = 0x4c4b4559')
  connection.exec(
    'create table migrations (name text primary key, hash text not null, applied_at integer not null) strict',
  )
  for (const { name, hash, statements } of migrations) {
    for (const statement of statements) connection.exec(statement)
    connection.prepare('insert into migrations values (?, ?, 0)').run(name, hash)
  }
}

/** Inserts rows into every table, each row with its own parent, and returns the rows by table. */
function fill(connection: Connection): Map<string, Row[]> {
  connection.pragma('foreign_keys = off')
  const tables = tablesOf(connection)
  for (const table of tables) {
    const columns = connection.pragma(`table_info(${table})`) as { name: string; type: string }[]
    const insert = connection.prepare(`insert into ${table} values (${columns.map(() => '?').join(', ')})`)
    for (let n = 1; n <= ROWS; n += 1) {
      insert.run(columns.map(({ name, type }) => (type.toLowerCase() === 'integer' ? n : `${name} ${n}`)))
    }
  }
  return new Map(tables.map((table) => [table, contents(connection, table)]))
}

function tablesOf(connection: Connection): string[] {
  const tables = connection.prepare("select name from pragma_table_list where schema = 'main' order by name").all()
  return (tables as { name: string }[])
    .map(({ name }) => name)
    .filter((name) => !/^(sqlite_|migrations$|row_ids$)/.test(name))
}

function contents(connection: Connection, table: string): Row[] {
  return connection.prepare(`select * from ${table} order by 1`).all() as Row[]
}

/** A row without columns that the other row lacks: a migration may drop a column, but never change one. */
function common(row: Row | undefined, other: Row | undefined): Row {
  return Object.fromEntries(Object.entries(row ?? {}).filter(([name]) => other !== undefined && name in other))
}

function appliedIn(connection: Connection): string[] {
  const rows = connection.prepare('select name from migrations order by name').all() as { name: string }[]
  return rows.map(({ name }) => name)
}

async function openAndClose(file: string, migrate: boolean): Promise<void> {
  await (await openDatabase(`sqlite:${file}`, { migrate })).close()
}

async function reasonToRefuse(file: string, migrate: boolean): Promise<unknown> {
  try {
    await openAndClose(file, migrate)
  } catch (error) {
    return error
  }
}
