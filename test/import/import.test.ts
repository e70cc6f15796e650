import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { asc, notLike } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { PASSWORD, type Service } from '../helper.js'
import { createDatabase, onServer, POSTGRES_ONLY, SERVER_URL } from '../support/databases.js'
import { installation, tryPassword } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

const WERKZEUG = 'sha256$abcdefgh$ca8f7db2123db6c495250b3e5dfec223f5770be71a3b818e4f0a66aaccf00239'
const WERKZEUG_PASSWORD = 'correct horse 배터리'

t.test('accounts are imported with their own passwords, ids and rows', async (t) => {
  const { start, run, startService, file } = await installation(t)
  await messyDatabase(t, file)
  const result = await start(['import', file, '--plaintext', '--duplicates', 'oldest', '--apply', '--json'])
  t.equal(await result.exit, 0, result.stderr)
  t.match(JSON.parse(result.stdout), {
    users: {
      read: 11,
      ready: 8,
      already: 0,
      skipped: { 'nothing to log in with': 1, 'a shared name': 1, 'a name that cannot be kept': 1 },
    },
    tutorials: {
      read: 4,
      ready: 2,
      already: 0,
      skipped: { 'an owner who is not there': 1, 'an owner who is left out': 1 },
    },
    todos: { read: 2, ready: 1, already: 0, skipped: { 'no title, or one that cannot be kept': 1 } },
  })
  t.match(result.stderr, /11 of 11 users/)

  const service = await startService()
  const mina = await service.logIn('mina', WERKZEUG_PASSWORD)
  t.equal(mina.id, 10)
  t.match((await mina.get('/v1/tutorials')).json().items, [{ id: 7, name: 'New Video', description: '1234' }])
  t.same((await mina.get('/v1/todos')).json().items, [])
  const joon = await service.logIn('joon@example.com', PASSWORD)
  t.equal(joon.id, 20)
  t.match((await joon.get('/v1/todos')).json().items, [{ id: 1, title: 'a todo', done: true }])
  t.match((await joon.get('/v1/tutorials')).json().items, [{ id: 8, name: 'Another', description: '' }])
  const plain = await service.logIn('plain', 'a password in plain text')
  t.equal(plain.login.user.role, 'user', 'an admin is imported as a user')

  // The first account that has a shared name keeps it; the others cannot log in with it.
  t.equal((await tryPassword(service, 'TWIN', 'the first of the twins')).statusCode, 200)
  t.equal((await tryPassword(service, 'twin', 'the second of the twins')).statusCode, 401)
  for (const username of ['empty', 'nopassword', 'dear']) {
    for (const password of [PASSWORD, '!', 'null']) {
      t.equal((await tryPassword(service, username, password)).statusCode, 401, `${username} with ${password}`)
    }
  }
  const compat = await service.app.inject({
    method: 'POST',
    url: '/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ username: 'a b <c>', password: PASSWORD }).toString(),
  })
  t.equal(compat.statusCode, 200, 'a name outside the rules logs in where the tutorial did')
  const { db, tables } = service.app.database
  const { username, passwordHash, isActive } = tables.users
  const foreign = notLike(passwordHash, '$bcrypt-sha256$%')
  const left = db.select({ username, passwordHash, isActive }).from(tables.users).where(foreign).orderBy(asc(username))
  t.same(await left, [
    { username: 'dear', passwordHash: DEAR, isActive: false },
    { username: 'empty', passwordHash: '!', isActive: true },
    { username: 'nopassword', passwordHash: '!', isActive: true },
  ])

  const again = await run(['import', file, '--plaintext', '--duplicates', 'oldest', '--apply', '--json'])
  t.match(JSON.parse(again.stdout), { users: { read: 11, ready: 0, already: 8 }, tutorials: { ready: 0, already: 2 } })
  t.equal((await service.signUp('somebody-new')).id > 110, true, 'the next account has an id above the imported ones')
  const [todo, tutorial] = [{ title: 'x' }, { name: 'x', description: '' }]
  t.ok((await mina.post('/v1/todos', todo)).json().id > 1, 'a new row has an id above the imported ones')
  t.ok((await mina.post('/v1/tutorials', tutorial)).json().id > 8)
})

t.test('a dry run writes nothing and reports what prevents the import', async (t) => {
  const { run, startService, file } = await installation(t)
  await messyDatabase(t, file)
  const { db, tables } = (await startService()).app.database
  const said = await run(['import', file, '--plaintext'])
  t.equal(said.code, 1, said.stderr)
  for (const line of [
    /users: 11 read\n/,
    / 2 {2}left out: a shared name/,
    / 1 {2}in plain text: hashing them takes about \d+ s/,
    / 2 {2}empty/,
    / 1 {2}a hash that needs more time/,
    / 1 {2}admins in the source, users here/,
    / 1 {2}disabled in the source/,
    / 1 {2}not active, and disabled here: is_active, read as the column that says who is active/,
    /"a b <c>"/,
    /twin: "Twin" \(id 60\), "twin" \(id 70\)/,
    / 1 {2}left out: an owner who is not there/,
    /Nothing was written: add --duplicates oldest or --duplicates skip/,
  ]) {
    t.match(said.stdout, line)
  }
  t.notMatch(said.stdout, 'a password in plain text')
  t.match((await run(['import', file])).stdout, / 1 {2}not a supported hash.*--plaintext/)
  const stopped = await run(['import', file, '--plaintext', '--apply'])
  t.equal(stopped.code, 1, '--apply writes nothing without --duplicates')
  t.equal((await run(['import', file, '--duplicates', 'skip'])).code, 0)
  t.equal(await db.$count(tables.users), 0)
  t.equal(await db.$count(tables.importedIds), 0)
})

t.test('an import that was killed goes on when it is run again, and imports nothing twice', async (t) => {
  const { run, start, startService, file } = await installation(t)
  const people = 6_000
  const source = await openFile(t, file)
  const hash = await bcryptHash(PASSWORD, 4)
  source.exec(`create table user (id integer primary key, username text, password text);${VIDEOS}`)
  source.exec('begin')
  for (let id = 1; id <= people; id += 1) {
    source.prepare('insert into user values (?, ?, ?)').run(id, `person${id}`, hash)
    source.prepare('insert into videos values (?, ?, ?, ?)').run(id, id, `Video ${id}`, '')
  }
  source.exec('commit')

  const killed = await start(['import', file, '--apply'])
  await killed.says(/ of 6,000 users/)
  await killed.end()
  const halfway = await counts(await startService())
  t.ok(halfway.users > 0 && halfway.users < people, `${halfway.users} people were written`)
  t.equal(halfway.users, halfway.ids, 'each account with its old id')

  const killedLater = await start(['import', file, '--apply'])
  await killedLater.says(/ of 6,000 tutorials/)
  await killedLater.end()
  const result = await run(['import', file, '--apply', '--json'])
  t.equal(result.code, 0, result.stderr)
  const { users, tutorials } = JSON.parse(result.stdout)
  t.match(users, { read: people, ready: 0, already: people, skipped: {} })
  t.equal(tutorials.ready + tutorials.already, people)
  const service = await startService()
  t.same(await counts(service), { users: people, tutorials: people, ids: 2 * people })
  const last = await service.logIn(`person${people}`)
  t.equal(last.id, people)
  t.match((await last.get('/v1/tutorials')).json().items, [{ id: people, name: `Video ${people}` }])
})

t.test('an id that was given out here is not given to an imported account', async (t) => {
  const { run, startService, file } = await installation(t)
  const service = await startService()
  await service.signUp('first-here')
  const { id: gone } = await service.signUp('deleted-here')
  await service.app.accounts.delete(gone, { id: null })
  await service.signUp('taken')
  const source = await openFile(t, file)
  source.exec('create table users (id integer primary key, username text, password text)')
  for (const [id, username] of [
    [1, 'one'],
    [2, 'two'],
    [3, 'taken'],
    [4, 'four'],
    [9, 'nine'],
  ] as const) {
    source.prepare('insert into users values (?, ?, ?)').run(id, username, WERKZEUG)
  }
  const result = await run(['import', file, '--apply', '--json'])
  t.match(JSON.parse(result.stdout).users, { read: 5, ready: 4, skipped: { 'a name taken here': 1 } })
  const ids = await Promise.all(
    ['one', 'two', 'four', 'nine'].map(async (name) => (await service.logIn(name, WERKZEUG_PASSWORD)).id),
  )
  t.same(ids.slice(2), [4, 9])
  t.ok(ids.slice(0, 2).every((id) => id > 9))
})

t.test('CSV and JSON lines are imported, with mapped column names and with fields of known names', async (t) => {
  const { run, startService, folder } = await installation(t)
  await writeFile(join(folder, 'people.csv'), `\uFEFFlogin_name,pw\n"mina, the first",${WERKZEUG}\nmina,${WERKZEUG}\n`)
  await writeFile(
    join(folder, 'people.jsonl'),
    `{"id": 5, "email": "joon@example.com", "password": "${WERKZEUG}", "active": false}\n\n`,
  )
  const mapped = ['--map', 'username=login_name', '--map', 'password=pw']
  t.equal((await run(['import', 'people.csv', '--name', 'csv', '--apply', ...mapped])).code, 0)
  t.equal((await run(['import', 'people.jsonl', '--name', 'jsonl', '--apply'])).code, 0)
  const service = await startService()
  await service.logIn('mina', WERKZEUG_PASSWORD)
  t.equal(
    (await tryPassword(service, 'joon@example.com', WERKZEUG_PASSWORD)).statusCode,
    401,
    'disabled in the source and here',
  )
})

t.test('a rejected import says what to do, and exits with 64 if the command itself is wrong', async (t) => {
  const { run, folder, file } = await installation(t)
  const source = await openFile(t, file)
  source.exec('create table people (id integer primary key, handle text, secret text)')
  await writeFile(join(folder, 'broken.csv'), 'username,password\nmina,"x\n')
  await writeFile(join(folder, 'broken.jsonl'), '{"username": "mina", "password": "x"}\nnonsense\n')
  await writeFile(join(folder, 'array.jsonl'), '[{"username": "mina", "password": "x"}]')
  await writeFile(join(folder, 'none.sqlite'), 'this is no database, but long enough to be looked at as one')
  const wrong: [args: string[], says: RegExp, code?: number][] = [
    [[], /missing argument <source>/, 64],
    [['nowhere.db'], /no file nowhere\.db/],
    [['NOWHERE'], /NOWHERE is neither an address nor the name/, 64],
    [[file], /no table of users was found among people: add --map users=<table>/],
    [
      [file, '--map', 'users=people'],
      /people has the columns id, handle, secret: add --map users.password=<column> --map users.user/,
    ],
    [[file, '--map', 'users=people,password=nothing'], /people has no such column; its columns are id, handle, secret/],
    [[file, '--map', 'colour=red'], /there is no colour; there are users, tutorials, todos/, 64],
    [[file, '--map', 'users'], /write field=column/, 64],
    [[file, '--duplicates', 'both'], /--duplicates must be one of stop, oldest, skip/, 64],
    [[file, '--twins', 'both'], /--twins must be one of stop, oldest, skip/, 64],
    [[file, '--name', 'a b'], /--name must be 1 to 32 lower-case letters/, 64],
    [['broken.csv'], /broken\.csv: Quote Not Closed/],
    [['broken.jsonl'], /broken\.jsonl, line 2 is not JSON: write one object per line/],
    [['array.jsonl'], /array\.jsonl, line 1 is not an object: write one object per line/],
    [['none.sqlite'], /none\.sqlite cannot be read as SQLite/],
  ]
  for (const [args, says, expected = 1] of wrong) {
    const { code, stderr, stdout } = await run(['import', ...args, '--apply'])
    t.equal(code, expected, `${args}: ${stderr}`)
    t.match(stderr, says)
    t.equal(stdout, '')
    t.notMatch(stderr, /\n\s+at /)
  }
})

t.test('accounts are imported from the PostgreSQL URL in a variable', { skip: POSTGRES_ONLY }, async (t) => {
  const old = await createDatabase(t, SERVER_URL ?? '')
  const { run, startService } = await installation(t, { OLD_DATABASE: old })
  t.match((await run(['import', 'OLD_DATABASE'])).stderr, /no table of users was found among none/)
  await onServer(old, 'create table "user" (id bigint primary key, username text, password text, created timestamptz)')
  await onServer(
    old,
    `insert into "user" select id, 'person' || id, '${WERKZEUG}', '2023-04-04 06:38:36Z' from generate_series(1, 2500) id`,
  )
  const result = await run(['import', 'OLD_DATABASE', '--apply', '--json'])
  t.same(JSON.parse(result.stdout).users, { read: 2_500, ready: 2_500, already: 0, skipped: {} }, result.stderr)
  const service = await startService()
  const last = await service.logIn('person2500', WERKZEUG_PASSWORD)
  t.match(last.login.user, { id: 2_500, created_at: '2023-04-04T06:38:36.000Z' })
})

const DEAR = `$6$rounds=999999999$abc$${'a'.repeat(86)}`
const VIDEOS = 'create table videos (id integer primary key, user_id integer, name text, description text);'

/** A table of eleven users with everything that such a table may contain. */
async function messyDatabase(t: Test, file: string): Promise<void> {
  const source = await openFile(t, file)
  source.exec(`create table users (id integer primary key, username text, email text, fullname text, password text,
    is_active boolean, is_superuser boolean); ${VIDEOS}
    create table todo (id integer primary key, owner_id integer, title text, completed boolean)`)
  const bcrypt = (password: string) => bcryptHash(password, 4)
  const people: [number, string | null, string | null, string | null, number, number][] = [
    [10, 'mina', 'mina@example.com', WERKZEUG, 1, 0],
    [20, null, 'joon@example.com', await bcrypt(PASSWORD), 1, 0],
    [30, 'plain', null, 'a password in plain text', 1, 1],
    [40, 'empty', null, '', 1, 0],
    [50, 'nopassword', null, null, 1, 0],
    [60, 'Twin', null, await bcrypt('the first of the twins'), 1, 0],
    [70, 'twin', null, await bcrypt('the second of the twins'), 1, 0],
    [80, 'a b <c>', null, await bcrypt(PASSWORD), 1, 0],
    [90, null, '', await bcrypt(PASSWORD), 1, 0],
    [100, 'x'.repeat(251), null, await bcrypt(PASSWORD), 1, 0],
    [110, 'dear', null, DEAR, 0, 0],
  ]
  const insert = source.prepare('insert into users values (?, ?, ?, null, ?, ?, ?)')
  for (const person of people) insert.run(person)
  const video = source.prepare('insert into videos values (?, ?, ?, ?)')
  video.run(7, 10, 'New Video', '1234')
  video.run(8, 20, 'Another', null)
  video.run(9, 999, 'An orphan', '')
  video.run(10, 70, 'Of the twin who is left out', '')
  source.exec("insert into todo values (1, 20, 'a todo', 1), (2, 20, '', 0)")
}

async function counts({ app }: Service) {
  const { db, tables } = app.database
  const [users, tutorials, ids] = await Promise.all([
    db.$count(tables.users),
    db.$count(tables.tutorials),
    db.$count(tables.importedIds),
  ])
  return { users, tutorials, ids }
}
