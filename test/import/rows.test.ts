import { hash as bcryptHash } from '@node-rs/bcrypt'
import t, { type Test } from 'tap'
import { PASSWORD } from '../helper.js'
import { installation } from '../support/installation.js'
import { bearer } from '../support/replica.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

const PAST = '2023-05-05 10:00:00'

t.test('rows that the source marks as deleted are left out, and the report names the column', async (t) => {
  const { run, startService, file } = await source(t, [
    'create table todos (id integer primary key, user_id integer, title text, deleted_at text, status text, archived integer)',
    `insert into todos values (1, 1, 'live', null, 'pending', 0), (2, 1, 'trash', '${PAST}', 'pending', 0),
       (3, 1, 'by its state', '', 'Deleted', 0), (4, 1, 'archived', null, 'closed', 1)`,
    'create table tutorials (id integer primary key, user_id integer, name text, description text, "isDeleted" integer, del_yn text)',
    "insert into tutorials values (1, 1, 'live', '', 0, 'N'), (2, 1, 'gone', '', 1, 'N'), (3, 1, 'gone too', '', 0, 'Y')",
  ])
  const { code, stdout, stderr } = await run(['import', file, '--apply'])
  t.equal(code, 0, stderr)
  t.match(stdout, /todos: 4 read\n +2 {2}imported\n +2 {2}left out: deleted there/)
  t.match(stdout, /tutorials: 3 read\n +1 {2}imported\n +2 {2}left out: deleted there/)
  for (const column of ['todos.deleted_at', 'todos.status', 'tutorials.isDeleted', 'tutorials.del_yn']) {
    t.match(stdout, new RegExp(` 1 {2}deleted in the source, and left out: ${column}\n`))
  }
  const service = await startService()
  t.same(await titlesOf(service, 'todos'), ['archived', 'live'])
  t.same(await titlesOf(service, 'tutorials'), ['live'])
})

t.test('a column that may mark deleted rows stops the import until it is explained', async (t) => {
  const { run, startService, file } = await source(t, [
    'create table todos (id integer primary key, user_id integer, title text, is_active integer)',
    "insert into todos values (1, 1, 'one', 1), (2, 1, 'other', 0)",
  ])
  const dry = await run(['import', file, '--apply'])
  t.equal(dry.code, 1)
  t.match(
    dry.stdout,
    /Nothing was written: explain what todos\.is_active means: --map todos\.active=is_active or --map todos\.deleted=is_active if the column says which rows are deleted, or --ignore-column todos\.is_active\./,
  )
  const wrong = await run(['import', file, '--ignore-column', 'todos.active_is'])
  t.equal(wrong.code, 1, wrong.stderr)
  for (const [option, value, imported] of [
    ['--map', 'todos.active=is_active', 1],
    ['--map', 'todos.deleted=is_active:0', 1],
    ['--map', 'todos.deleted=is_active', 1],
    ['--ignore-column', 'todos.is_active', 2],
  ] as const) {
    const { code, stdout, stderr } = await run(['import', file, '--json', option, value])
    t.equal(code, 0, stderr)
    t.equal(JSON.parse(stdout).todos.ready, imported, value)
  }
  t.equal((await run(['import', file, '--apply', '--map', 'todos.active=is_active'])).code, 0)
  t.same(await titlesOf(await startService(), 'todos'), ['one'])
})

t.test('each row without an id is imported once, even if it equals another row', async (t) => {
  const { run, startService, file } = await source(t, [
    'create table todos (user_id integer, title text, done integer)',
    "insert into todos values (1, 'milk', 0), (1, 'milk', 1), (2, 'milk', 0), (1, 'bread', 0), (1, 'milk', 0)",
  ])
  const first = await run(['import', file, '--apply', '--json'])
  t.equal(first.code, 0, first.stderr)
  t.match(JSON.parse(first.stdout).todos, { read: 5, ready: 5, already: 0, skipped: {} })
  const again = await run(['import', file, '--apply', '--json'])
  t.match(JSON.parse(again.stdout).todos, { read: 5, ready: 0, already: 5, skipped: {} })
  const service = await startService()
  t.same(await titlesOf(service, 'todos'), ['bread', 'milk', 'milk', 'milk'])
  t.same(await titlesOf(service, 'todos', 'joon'), ['milk'], 'no row of another user')
})

/** An installation, and a source with two users, mina and joon, and with the rows of these statements. */
async function source(t: Test, statements: string[]) {
  const place = await installation(t)
  const database = await openFile(t, place.file)
  database.exec('create table users (id integer primary key, username text, password text)')
  const stored = await bcryptHash(PASSWORD, 4)
  database.prepare("insert into users values (1, 'mina', ?), (2, 'joon', ?)").run(stored, stored)
  for (const statement of statements) database.exec(statement)
  return place
}

type Service = Awaited<ReturnType<Awaited<ReturnType<typeof installation>>['startService']>>

async function titlesOf(service: Service, kind: 'todos' | 'tutorials', username = 'mina'): Promise<string[]> {
  const { token } = await service.logIn(username)
  const { items } = (await service.get(`/v1/${kind}`, bearer(token))).json()
  return items.map(({ title, name }: { title?: string; name?: string }) => title ?? name).sort()
}
