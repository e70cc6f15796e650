// On PostgreSQL alone: the source is a PostgreSQL database.

import { hash as bcryptHash } from '@node-rs/bcrypt'
import t from 'tap'
import { CommandError } from '../../src/command-error.js'
import { openSource } from '../../src/import/open-source.js'
import type { Row } from '../../src/import/source.js'
import { PASSWORD } from '../helper.js'
import { createDatabase, onServer, POSTGRES_ONLY, SERVER_URL } from '../support/databases.js'
import { installation } from '../support/installation.js'
import { startNetwork } from '../support/network.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

t.test('PostgreSQL: values are read as the server writes them', { skip: POSTGRES_ONLY }, async (t) => {
  const url = await createDatabase(t, SERVER_URL ?? '')
  await onServer(
    url,
    `create table users (id numeric(30, 1), big bigint, uuid uuid, bytes bytea, padded character(10), at timestamp,
      zoned timestamptz, yes boolean, "na""me" text)`,
  )
  await onServer(url, `alter database ${nameOf(url)} set timezone = 'Asia/Seoul'`)
  await onServer(
    url,
    `insert into users values (12.0, 9223372036854775807, '018F9C2E-7b4a-7c21-a53d-f1e2d3ff8090', '\\x00ff', 'ann',
      '2022-06-25 11:03:45.123456', '2022-06-25 11:03:45+00', true, 'x')`,
  )
  const source = await openSource(url)
  t.teardown(() => source.close())
  const rows: Row[] = []
  for await (const row of source.tables[0]?.rows() ?? []) rows.push(row)
  const [{ bytes, ...row } = {}] = rows
  t.same(row, {
    id: '12.0',
    big: '9223372036854775807',
    uuid: '018f9c2e-7b4a-7c21-a53d-f1e2d3ff8090',
    padded: 'ann',
    at: '2022-06-25 11:03:45.123456',
    zoned: '2022-06-25 11:03:45+00',
    yes: 't',
    'na"me': 'x',
  })
  t.same(Buffer.from(bytes as Buffer), Buffer.from([0, 255]))
})

t.test('PostgreSQL: bytea, padded text, views and schemas are imported', { skip: POSTGRES_ONLY }, async (t) => {
  const old = await createDatabase(t, SERVER_URL ?? '')
  const { run, startService } = await installation(t, { OLD_DATABASE: old })
  const hash = await bcryptHash(PASSWORD, 4)
  for (const statement of [
    'create schema app',
    'create schema "other"',
    'create table app.people (id bytea primary key, username character(80), password bytea)',
    `insert into app.people values ('\\x018f9c2e7b4a7c21a53df1e2d3ff8090', 'ann', '${hash}'),
      ('\\x018f9c2e7b4a7c21a53df1e2d3ff81a2', 'bob', '${hash}')`,
    'create materialized view app.users as select * from app.people',
    'create table other.users (id integer, username text, password text)',
    "insert into other.users values (1, 'wrong', 'x')",
    'create table todos (id bigint, user_id bytea, title character(20))',
    "insert into todos values (1, '\\x018f9c2e7b4a7c21a53df1e2d3ff81a2', 'of bob')",
  ]) {
    await onServer(old, statement)
  }
  const asked = await run(['import', 'OLD_DATABASE', '--apply'])
  t.equal(asked.code, 1)
  t.match(asked.stderr, /there is more than one table users: .*app\.users, other\.users/)
  t.match(
    (await run(['import', 'OLD_DATABASE', '--encoding', 'cp949'])).stderr,
    /--encoding is for files: PostgreSQL converts its text itself/,
  )
  const result = await run(['import', 'OLD_DATABASE', '--apply', '--json', '--map', 'users=app.users'])
  t.equal(result.code, 0, result.stderr)
  t.match(JSON.parse(result.stdout), { users: { read: 2, ready: 2 }, todos: { read: 1, ready: 1 } })
  const service = await startService()
  t.same((await (await service.logIn('ann')).get('/v1/todos')).json().items, [])
  t.match((await (await service.logIn('bob')).get('/v1/todos')).json().items, [{ title: 'of bob' }])
})

t.test(
  'PostgreSQL: a database without an encoding is read only where its text is UTF-8',
  { skip: POSTGRES_ONLY },
  async (t) => {
    const url = await createDatabase(t, SERVER_URL ?? '', { encoding: 'SQL_ASCII' })
    await onServer(url, 'create table users (id integer, username text)')
    await onServer(url, `insert into users values (1, 'mina'), (2, convert_from('\\xb1e8', 'SQL_ASCII'))`)
    const source = await openSource(url)
    t.teardown(() => source.close())
    await t.rejects(async () => {
      for await (const row of source.tables[0]?.rows() ?? []) t.equal(row.id, '1')
    }, /cannot be read: invalid byte sequence for encoding "UTF8"/)
  },
)

t.test('PostgreSQL: an import ends when the network to its source stops', { skip: POSTGRES_ONLY }, async (t) => {
  const network = await startNetwork(t, await createDatabase(t, SERVER_URL ?? ''))
  network.holdAt('has_schema_privilege')
  await t.rejects(openSource(network.url), {
    constructor: CommandError,
    message: /^the source cannot be read: the server has not answered for \d+ s$/,
  })
})

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1)
}
