// On PostgreSQL alone: settings of its databases.

import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { DatabaseError } from '../../src/database/database.js'
import { openDatabase } from '../../src/database/open.js'
import { countBy, startService } from '../helper.js'
import { latchkey } from '../support/child.js'
import { createDatabase, onServer, POSTGRES_ONLY, postgresSettings, SERVER_URL } from '../support/databases.js'

t.setTimeout(600_000)

/** Settings that an operator may have made for other applications of the database. */
const ODD: Record<string, string> = {
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  statement_timeout: '200ms',
  lock_timeout: '1ms',
  idle_in_transaction_session_timeout: '1ms',
  idle_session_timeout: '500ms',
  standard_conforming_strings: 'off',
  backslash_quote: 'off',
  client_encoding: 'LATIN1',
  DateStyle: 'German, DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Seoul',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  row_security: 'off',
  synchronous_commit: 'off',
  transform_null_equals: 'on',
  quote_all_identifiers: 'on',
  array_nulls: 'off',
  client_min_messages: 'debug5',
  plan_cache_mode: 'force_generic_plan',
  lc_messages: 'C',
}

t.test('settings of the PostgreSQL database', { skip: POSTGRES_ONLY }, async (t) => {
  const odd = async (t: Test, settings: Record<string, string>) => {
    const url = await createDatabase(t, SERVER_URL ?? '')
    const name = new URL(url).pathname.slice(1)
    for (const [setting, value] of Object.entries(settings)) {
      // From another database: in this database, each setting would already apply to the following statements.
      await onServer(SERVER_URL ?? '', `alter database ${name} set ${setting} = '${value}'`)
    }
    return url
  }

  t.test('unusual settings change nothing: twelve users at once register, log in and keep rows', async (t) => {
    const service = await startService(t, postgresSettings(await odd(t, ODD)))
    const names = Array.from({ length: 12 }, (_, index) => `mina_${index}`)
    const people = await Promise.all(names.map((name) => service.signUp(name)))
    const answers = await Promise.all(
      people.flatMap((person) => [
        person.post('/v1/todos', { title: 'a \\ and a é 한' }),
        person.patch('/v1/me', { name: `O'Neil \\ 한 ${person.id}` }),
        service.logIn(person.login.user.username ?? '').then(() => ({ statusCode: 200 })),
        service.post('/v1/login', { username: person.login.user.username, password: 'a wrong one' }),
        service.post('/v1/refresh', { refresh_token: person.login.refresh_token }),
      ]),
    )
    t.same(
      countBy(answers, ({ statusCode }) => statusCode),
      { 200: 36, 201: 12, 401: 12 },
    )
    const [first] = people
    t.match((await first?.get('/v1/todos'))?.json(), { items: [{ title: 'a \\ and a é 한' }] })
    const created = Date.parse((await first?.get('/v1/todos'))?.json().items[0].created_at)
    t.ok(Math.abs(created - Date.now()) < 600_000, 'created_at is in UTC')
    await service.app.administration.change(first?.id ?? 0, { role: 'admin' }, { id: null })
    const admin = await service.logIn('mina_0')
    t.equal((await admin.get(`/v1/users?search=${encodeURIComponent('neil \\ 한')}`)).json().items.length, 12)
    t.equal((await admin.get(`/v1/users?search=${encodeURIComponent('\\')}`)).json().items.length, 12)
    t.equal((await admin.get('/v1/users?search=a_1')).json().items.length, 3, 'an underscore is no wildcard')
    t.equal((await admin.delete(`/v1/users/${people[1]?.id}`)).statusCode, 204)
    t.equal((await service.get('/readyz')).statusCode, 200)
    const settings = sql`select current_setting('synchronous_commit') as commit, current_setting('transaction_isolation') as isolation`
    t.match(await service.app.database.db.execute(settings), {
      rows: [{ commit: 'local', isolation: 'read committed' }],
    })
  })

  t.test(
    'where the role may open fewer connections than POOL_SIZE, requests wait for those that there are',
    async (t) => {
      const url = new URL(await odd(t, {}))
      const name = url.pathname.slice(1)
      await onServer(SERVER_URL ?? '', `create role ${name} login password 'limited' connection limit 5`)
      await onServer(SERVER_URL ?? '', `alter database ${name} owner to ${name}`)
      url.username = name
      url.password = 'limited'
      const service = await startService(t, { ...postgresSettings(url.href), POOL_SIZE: '10' })
      const mina = await service.signUp('mina')
      const names = Array.from({ length: 20 }, (_, index) => `Mina ${index}`)
      const answers = await Promise.all(names.map((name) => mina.patch('/v1/me', { name })))
      t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
    },
  )

  t.test('a stronger synchronous_commit is kept', async (t) => {
    const database = await openDatabase(await odd(t, { synchronous_commit: 'remote_apply' }), { migrate: true })
    t.teardown(() => database.close())
    t.match(await database.db.execute(sql`show synchronous_commit`), { rows: [{ synchronous_commit: 'remote_apply' }] })
  })

  t.test('a read-only default or a replica role is rejected, and the error names the setting', async (t) => {
    for (const [name, value] of [
      ['default_transaction_read_only', 'on'],
      ['session_replication_role', 'replica'],
    ] as const) {
      const url = await odd(t, { [name]: value })
      const reason = new RegExp(`cannot be used: ${name} is ${value} .*alter database \\.\\.\\. reset ${name}`)
      await t.rejects(openDatabase(url, { migrate: true }), { constructor: DatabaseError, message: reason })
      const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test', PORT: '0' }
      const child = await latchkey(t, ['serve'], { settings })
      t.equal(await child.exit, 1)
      t.match(child.stderr, reason)
      t.notMatch(child.stderr, /\n {4}at /, 'no stack trace')
    }
  })

  t.test('listing, disabling, rotating and importing create no tables in an empty database', async (t) => {
    const url = await odd(t, {})
    const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' }
    for (const args of [
      ['users', 'list'],
      ['users', 'disable', 'mina'],
      ['keys', 'list'],
      ['keys', 'rotate'],
      ['import', 'x.csv'],
    ]) {
      const child = await latchkey(t, args, { settings })
      t.equal(await child.exit, 1, `${args}`)
      if (args[0] !== 'import') t.match(child.stderr, /it contains no Latchkey installation: run latchkey migrate/)
    }
    t.same(await onServer(url, `select relname from pg_class where relnamespace = 'public'::regnamespace`), [])
  })
})

t.test('a conflict with another transaction is retried', { skip: POSTGRES_ONLY }, async (t) => {
  const url = await createDatabase(t, SERVER_URL ?? '')
  const database = await openDatabase(url, { migrate: true, poolSize: 2 })
  t.teardown(() => database.close())
  const { db } = database
  await db.execute(sql`create table counters (id integer primary key, n integer not null)`)
  await db.execute(sql`insert into counters values (1, 0), (2, 0)`)
  const counts = async () => (await onServer(url, 'select n from counters order by id')).map(({ n }) => n)

  t.test('a transaction that ended in a deadlock runs again', async (t) => {
    let runs = 0
    let bothHaveOne: () => void = () => {}
    const meeting = new Promise<void>((resolve) => {
      bothHaveOne = resolve
    })
    const add = (first: number, second: number) =>
      database.transaction(async (db) => {
        runs += 1
        await db.execute(sql`update counters set n = n + 1 where id = ${first}`)
        if (runs === 2) bothHaveOne()
        await meeting
        await db.execute(sql`update counters set n = n + 1 where id = ${second}`)
      })
    await Promise.all([add(1, 2), add(2, 1)])
    t.same(await counts(), [2, 2])
    t.equal(runs, 3, 'the loser ran twice')
  })

  t.test('a statement that could not be serialized runs again', async (t) => {
    // As behind a pooler in transaction mode, which loses settings of a connection.
    const serializable = sql`select set_config('default_transaction_isolation', 'serializable', false), pg_sleep(0.5)`
    await Promise.all([db.execute(serializable), db.execute(serializable)])
    const isolation = await db.execute(sql`select current_setting('transaction_isolation') as is`)
    t.match(isolation, { rows: [{ is: 'serializable' }] })
    const add = sql`update counters set n = n + 1, id = (select 1 from pg_sleep(0.02)) where id = 1`
    await Promise.all(Array.from({ length: 10 }, () => db.execute(add)))
    t.same(await counts(), [12, 2])
  })
})
