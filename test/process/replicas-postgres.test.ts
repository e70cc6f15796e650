// On PostgreSQL alone: replicas in separate processes.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { DatabaseError } from '../../src/database/database.js'
import { type Migration, readMigrations } from '../../src/database/migrations.js'
import { openDatabase } from '../../src/database/open.js'
import { PASSWORD, startService } from '../helper.js'
import { latchkey, serving } from '../support/child.js'
import { createDatabase, onServer, POSTGRES_ONLY, postgresSettings, SERVER_URL } from '../support/databases.js'
import { until } from '../support/replica.js'

t.setTimeout(240_000)

/** Rounds of four concurrent starts, which wait for the lock of the migrations. */
const ROUNDS = 2
const DEADLINE_MS = 60_000

t.test('replicas on PostgreSQL', { skip: POSTGRES_ONLY }, async (t) => {
  const server = SERVER_URL ?? ''

  t.test('four replicas that start at the same moment on an empty database all come up', async (t) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const url = await createDatabase(t, server)
      const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' }
      const startedAt = performance.now()
      const replicas = await Promise.all(Array.from({ length: 4 }, () => serving(t, { settings })))
      t.comment(`all listen after ${Math.round(performance.now() - startedAt)} ms`)
      for (const { address } of replicas) await until(async () => (await fetch(`${address}/readyz`)).status === 200)
      const [migrations] = await onServer(url, 'select count(*)::int as n from migrations')
      t.same(migrations, { n: readMigrations('pg').length })
      t.same(await onServer(url, 'select count(*)::int as n from signing_keys'), [{ n: 1 }])
      t.same(await Promise.all(replicas.map((replica) => replica.stop())), [0, 0, 0, 0])
    }
  })

  t.test('a log-in waits for an uncommitted change of its user', async (t) => {
    const changes = [
      'update users set is_active = false',
      "update users set password_hash = 'another', auth_version = auth_version + 1",
      "update users set role = 'admin', auth_version = auth_version + 1",
      'delete from users',
    ]
    const service = await startService(t)
    const other = await connect(t, service.app.config.DATABASE_URL)
    for (const [n, change] of changes.entries()) {
      await service.signUp(`mina${n}`)
      await other.query('begin')
      await other.query(change)
      const login = service.post('/v1/login', { username: `mina${n}`, password: PASSWORD })
      t.equal(await Promise.race([login, sleep(500, 'waits')]), 'waits', change)
      await other.query('commit')
      t.equal((await login).statusCode, 401)
    }
  })

  t.test(
    'every replica knows a client that was registered in another process, and rejects it once it is disabled',
    async (t) => {
      const settings = { ...postgresSettings(await createDatabase(t, server)), PUBLIC_URL: 'http://latchkey.test' }
      const replicas = [await serving(t, { settings }), await serving(t, { settings })]
      const clients = async (...args: string[]) => {
        const child = await latchkey(t, ['clients', ...args, '--json'], { settings })
        t.equal(await child.exit, 0, child.stderr)
        return JSON.parse(child.stdout)
      }
      const { client_secret: secret } = await clients('create', 'robot', '--name', 'Robot', '--scope', 'users:read')
      const authorization = `Basic ${Buffer.from(`robot:${secret}`).toString('base64')}`
      const body = new URLSearchParams({ grant_type: 'client_credentials' })
      const ask = (address: string) =>
        fetch(`${address}/v1/token`, { method: 'POST', headers: { authorization }, body })
      const { access_token: token } = (await (await ask(replicas[0]?.address ?? '')).json()) as { access_token: string }
      const read = (address: string) => fetch(`${address}/v1/users`, { headers: { authorization: `Bearer ${token}` } })
      const statuses = async (send: (address: string) => Promise<Response>) =>
        (await Promise.all(replicas.map(({ address }) => send(address)))).map(({ status }) => status)
      t.same([await statuses(ask), await statuses(read)].flat(), [200, 200, 200, 200])
      await clients('disable', 'robot')
      const isRefused = (status: number) => status === 401
      const ms = await until(async () => [...(await statuses(ask)), ...(await statuses(read))].every(isRefused))
      t.comment(`refused by both ${ms} ms after the command has ended`)
    },
  )

  t.test('an edited, a newer and an old database are rejected, as on SQLite', async (t) => {
    const url = await createDatabase(t, server)
    const open = async (migrate: boolean) => (await openDatabase(url, { migrate })).close()
    await t.rejects(open(false), { constructor: DatabaseError, message: /no Latchkey installation.*latchkey migrate/ })
    t.same(
      await onServer(url, "select to_regclass('migrations') as is"),
      [{ is: null }],
      'the empty database is unchanged',
    )
    await open(true)
    await open(false)
    await onServer(url, "insert into migrations values ('9999_later', '', 0)")
    await t.rejects(open(true), { constructor: DatabaseError, message: /newer than this version.*9999_later/ })
    await onServer(url, "delete from migrations where name = '9999_later'")
    await onServer(url, "update migrations set hash = 'x' where name like '0000%'")
    await t.rejects(open(true), { constructor: DatabaseError, message: /was a file edited/ })
  })

  t.test('a migration that fails is rolled back completely', async (t) => {
    const url = await createDatabase(t, server)
    await onServer(url, 'create table tutorials (id int)')
    await t.rejects(openDatabase(url, { migrate: true }), { constructor: DatabaseError, message: /already exists/ })
    const tables = await onServer(url, "select tablename from pg_tables where schemaname = 'public'")
    t.same(tables, [{ tablename: 'tutorials' }])
  })

  t.test('a migration that waits for a table does not hold up the requests of running replicas', async (t) => {
    const url = await createDatabase(t, server)
    const { name, hash, statements } = readMigrations('pg')[0] as Migration
    await onServer(
      url,
      'create table migrations (name text primary key, hash text not null, applied_at bigint not null)',
    )
    await onServer(url, `insert into migrations values ('${name}', '${hash}', 0)`)
    for (const statement of statements) await onServer(url, statement)
    const [dump, replica] = [await connect(t, url), await connect(t, url)]
    await dump.query('begin; select count(*) from users')
    await replica.query("set statement_timeout = '3s'")

    const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' }
    const migration = await latchkey(t, ['migrate'], { settings })
    const waiting = "select from pg_locks where relation = 'users'::regclass and not granted"
    await until(async () => (await replica.query(waiting)).rowCount !== 0, DEADLINE_MS)
    await t.resolves(replica.query('select count(*) from users'))
    await migration.says(/wait for another transaction/)
    await dump.query('commit')
    t.equal(await migration.exit, 0, migration.stderr)
  })

  t.test('a database with an encoding other than UTF-8 is rejected', async (t) => {
    const url = await createDatabase(t, server, { encoding: 'LATIN1' })
    await t.rejects(openDatabase(url, { migrate: true }), { constructor: DatabaseError, message: /LATIN1/ })
  })

  t.test('the error for an unreachable database does not contain the password', async (t) => {
    const url = new URL(server)
    url.password = 'not-the-password'
    const wrong = await t.rejects(openDatabase(url.href, { migrate: true }))
    t.match(wrong, { constructor: DatabaseError, message: /authentication failed/ })
    url.port = '1'
    const startedAt = performance.now()
    const away = await t.rejects(openDatabase(url.href, { migrate: true, connectTimeoutMs: 1_000 }))
    t.match(away, { constructor: DatabaseError, message: /127\.0\.0\.1:1.*ECONNREFUSED/ })
    t.ok(performance.now() - startedAt > 500, 'the connection was tried more than once')
    for (const error of [wrong, away]) t.notMatch((error as Error).message, /not-the-password/)
  })
})

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}
