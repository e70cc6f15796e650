import { randomBytes, randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { PASSWORD, type Service } from '../helper.js'
import { encode, hmac } from '../support/forge.js'
import { installation } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

const SECRET = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
const ANN = { id: 430628086183100417n, username: 'snow-ann' }
const BOB = { id: 430628086183100419n, username: 'snow-bob' }
const UUID = ['018f9c2e-7b4a-7c21-a53d-f1e2d3ff8090', '018f9c2e-7b4a-7c21-a53d-f1e2d3ff81a2'] as const

t.test('similar 64-bit and binary ids stay different accounts, with their own rows and old tokens', async (t) => {
  const { run, startService, file } = await installation(t, { LEGACY_TOKENS: `${SECRET}@2999-01-31` })
  const source = await openFile(t, file)
  const password = await bcryptHash(PASSWORD, 4)
  source.exec(`create table users (id primary key, username text, password text);
    create table todos (id integer primary key, user_id, title text);
    create table tutorials (id integer primary key, user_id text, name text, description text)`)
  const people: [bigint | Buffer, string][] = [
    [ANN.id, ANN.username],
    [BOB.id, BOB.username],
    [Buffer.from(UUID[0].replaceAll('-', ''), 'hex'), 'blob-ann'],
    [Buffer.from(UUID[1].replaceAll('-', ''), 'hex'), 'blob-bob'],
    [Buffer.from([0x34, 0x32]), 'bytes-42'],
    [42n, 'number-42'],
  ]
  people.forEach(([id, username], at) => {
    source.prepare('insert into users values (?, ?, ?)').run(id, username, password)
    source.prepare('insert into todos values (?, ?, ?)').run(2n ** 53n + BigInt(at), id, `of ${username}`)
    source.prepare('insert into tutorials values (?, ?, ?, ?)').run(at + 1, id, `by ${username}`, '')
  })
  const result = await run(['import', file, '--apply', '--json'])
  t.equal(result.code, 0, result.stderr)
  t.match(JSON.parse(result.stdout), {
    users: { read: 6, ready: 6, skipped: {} },
    todos: { read: 6, ready: 6, skipped: {} },
    tutorials: { read: 6, ready: 6, skipped: {} },
  })

  const service = await startService({ LEGACY_TOKENS: `${SECRET}@2999-01-31` })
  for (const [, username] of people) {
    const person = await service.logIn(username)
    const todos = (await person.get('/v1/todos')).json().items
    t.same(
      todos.map(({ title }: { title: string }) => title),
      [`of ${username}`],
      'from a column of any type',
    )
    const tutorials = (await person.get('/v1/tutorials')).json().items
    t.same(
      tutorials.map(({ name }: { name: string }) => name),
      [`by ${username}`],
      'from a column of text',
    )
  }
  const { db, tables } = service.app.database
  const rows = await db.select().from(tables.importedIds).where(eq(tables.importedIds.kind, 'user'))
  t.same(
    rows.map(({ oldId }) => oldId),
    ['42', ANN.id, BOB.id, ...UUID.map((id) => id.replaceAll('-', '')), '\\x3432'].map(String),
    'each exactly as it was, in the order of SQLite: numbers, then bytes',
  )
  const tokens: [string, string][] = [
    [`"${ANN.id}"`, ANN.username],
    [String(BOB.id), BOB.username],
    [JSON.stringify(UUID[0]), 'blob-ann'],
    [JSON.stringify(UUID[1].replaceAll('-', '')), 'blob-bob'],
    ['42', 'number-42'],
  ]
  for (const [sub, username] of tokens) t.match(await ofToken(service, sub), [{ name: `by ${username}` }], sub)
  for (const sub of [ANN.id - 1n, ANN.id + 1n, 430628086183100400n, 3432]) {
    t.equal(await ofToken(service, String(sub)), 401, `${sub} is no account`)
  }
})

t.test('with random ids of every type, no account gets the rows of another', async (t) => {
  const { run, startService, file } = await installation(t)
  const source = await openFile(t, file)
  source.exec(`create table users (id, username text, password text);
    create table todos (id, user_id, title text)`)
  const ids = randomIds(100)
  const password = await bcryptHash(PASSWORD, 4)
  source.exec('begin')
  ids.forEach((id, at) => {
    source.prepare('insert into users values (?, ?, ?)').run(id, `person${at}`, password)
    source.prepare('insert into todos values (?, ?, ?)').run(ids[ids.length - 1 - at], id, `person${at}`)
  })
  source.exec('commit')
  const result = await run(['import', file, '--apply', '--json'])
  t.equal(result.code, 0, result.stderr)
  const { db, tables } = (await startService()).app.database
  const owned = await db
    .select({ title: tables.todos.title, username: tables.users.username })
    .from(tables.todos)
    .innerJoin(tables.users, eq(tables.users.id, tables.todos.userId))
  t.equal(owned.length, ids.length, `all rows were imported: ${result.stdout}`)
  t.same(
    owned.filter(({ title, username }) => title !== username),
    [],
  )
})

t.test('JSON lines: 64-bit numbers and MongoDB ids are imported; objects and rounded ids are not', async (t) => {
  const { run, startService, folder } = await installation(t)
  const password = await bcryptHash(PASSWORD, 4)
  const lines = [ANN, BOB].map(({ id, username }) => `{"id":${id},"username":"${username}","password":"${password}"}`)
  lines.push(`{"id":{"$oid":"507f1f77bcf86cd799439011"},"username":"mongo","password":"${password}"}`)
  lines.push(`{"id":{"a":1},"username":"object","password":"${password}"}`)
  lines.push(`{"id":4.30628E+17,"username":"rounded","password":"${password}"}`)
  await writeFile(join(folder, 'people.jsonl'), lines.join('\n'))
  const result = await run(['import', 'people.jsonl', '--apply', '--json'])
  t.match(JSON.parse(result.stdout).users, {
    read: 5,
    ready: 3,
    skipped: { 'an id that is no number, text or bytes': 1, 'an id that was rounded': 1 },
  })
  const { db, tables } = (await startService()).app.database
  const rows = await db.select().from(tables.importedIds)
  t.same(
    rows.map(({ oldId, oldName }) => [oldId, oldName]),
    [
      [String(ANN.id), ANN.username],
      [String(BOB.id), BOB.username],
      ['507f1f77bcf86cd799439011', 'mongo'],
    ],
  )
})

/** Many ids of every kind; the ids of a kind are similar. */
function randomIds(each: number): (bigint | string | Buffer)[] {
  const start = BigInt(`0x${randomBytes(7).toString('hex')}`) + 2n ** 54n
  const prefix = randomBytes(12)
  return Array.from({ length: each }, (_, at) => [
    start + BigInt(at),
    Buffer.concat([prefix, randomBytes(4)]),
    Buffer.concat([Buffer.from([at]), randomBytes(at % 30), Buffer.from([0xff, at])]),
    randomUUID(),
    `${randomUUID()} of a text with blanks ${at}`,
    `\n  ${randomUUID()} `,
  ]).flat()
}

/** The tutorials of the user whom an old token names, or the status of a rejection. `sub` is JSON. */
async function ofToken(service: Service, sub: string): Promise<unknown> {
  const input = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(`{"sub":${sub},"exp":32503680000}`)}`
  const authorization = `Bearer ${input}.${hmac('sha256', SECRET)(input).toString('base64url')}`
  const response = await service.app.inject({ url: '/tutorials', headers: { authorization } })
  return response.statusCode === 200 ? response.json() : response.statusCode
}
