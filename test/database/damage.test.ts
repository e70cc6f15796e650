// On SQLite alone: damage to a SQLite file.

import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { DatabaseError } from '../../src/database/database.js'
import { openDatabase } from '../../src/database/open.js'
import { PASSWORD, type Person, type Service, startService, temporaryFolder } from '../helper.js'
import { latchkey } from '../support/child.js'
import { ask, copyDatabase, fileOf, openFile } from '../support/sqlite.js'

const PAGE_BYTES = 4096

const isRoot = process.getuid?.() === 0 && 'root may write every file'

t.test('an empty, truncated or overwritten database file is rejected with advice and left unchanged', async (t) => {
  const good = await stoppedDatabase(t)
  const { size } = await stat(good)
  const cases: { name: string; spoil: (file: string) => Promise<void>; says: RegExp }[] = [
    { name: 'empty', spoil: (file) => truncate(file, 0), says: /is empty.*(backup|delete)/ },
    { name: 'cut in half', spoil: (file) => truncate(file, size / 2), says: /damaged.*restore.*backup/ },
    { name: 'cut by a page', spoil: (file) => truncate(file, size - PAGE_BYTES), says: /damaged.*restore.*backup/ },
    { name: 'cut to a piece', spoil: (file) => truncate(file, 50), says: /damaged|not a Latchkey/ },
    { name: 'without its header', spoil: overwrite(0, 16), says: /damaged.*restore.*backup/ },
    { name: 'without its schema', spoil: overwrite(100, 200), says: /damaged.*restore.*backup/ },
    {
      name: 'text',
      spoil: (file) => writeFile(file, 'a letter\n'.repeat(500)),
      says: /not an SQLite database.*name another file/,
    },
  ]
  for (const { name, spoil, says } of cases) {
    const file = join(await temporaryFolder(t), 'latchkey.db')
    await copyFile(good, file)
    await spoil(file)
    await assertRefused(t, file, says, name)
  }
})

t.test('the SQLite file of another application is rejected and left unchanged', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const other = await openFile(t, file)
  other.exec('create table users (id integer primary key); insert into users values (1)')
  await assertRefused(t, file, /not a Latchkey database.*DATABASE_URL/, 'without an application_id')
  other.pragma('application_id = 7')
  await assertRefused(t, file, /not a Latchkey database.*DATABASE_URL/, 'with another application_id')
  t.same(other.pragma('journal_mode'), [{ journal_mode: 'delete' }])
  t.same(other.prepare('select name from sqlite_schema').all(), [{ name: 'users' }])
})

t.test('a path that is a folder, or lies below a file, is rejected', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'data.db'))
  await writeFile(join(folder, 'file'), 'x')
  for (const [path, message] of [
    ['data.db', /cannot be opened: it is a folder: name a file in it/],
    ['file/latchkey.db', /cannot be created/],
  ] as const) {
    const error = await reasonToRefuse(join(folder, path))
    t.type(error, DatabaseError, path)
    t.match(error, { message }, path)
  }
})

t.test(
  'a database that this user may not write is rejected with the file and its owner',
  { skip: isRoot },
  async (t) => {
    const file = await stoppedDatabase(t)
    await chmod(file, 0o400)
    const user = process.getuid?.()
    await assertRefused(
      t,
      file,
      new RegExp(`user ${user} may not write ${file}, which belongs to user ${user}`),
      'mode',
    )
  },
)

t.test('a database that cannot be created leaves no file', async (t) => {
  const folder = await temporaryFolder(t)
  const settings = { DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}` }
  const command = await latchkey(t, ['migrate'], { settings, limit: '-f 100' })
  t.equal(await command.exit, 1)
  t.match(command.stderr, /cannot be created/)
  t.same(await readdir(folder), [])
})

t.test('after an unclean stop, every start rejects the file while one of its pages is damaged', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '127.0.0.1' })
  const mina = await service.signUp('mina')
  // In the audit log, which a start does not read.
  await service.post('/v1/login', { username: 'mina', password: PASSWORD }, { 'x-request-id': 'the-needle' })
  const file = await copyWithLog(t, mina, await temporaryFolder(t))
  await t.resolves(openAndClose(await copyDatabase(file, await temporaryFolder(t))), 'the undamaged copy opens')
  const page = Math.floor((await readFile(file)).indexOf('the-needle') / PAGE_BYTES)
  t.ok(page > 0)
  await overwrite(page * PAGE_BYTES, PAGE_BYTES)(file)
  await assertRefused(t, file, /damaged.*restore.*backup/, 'a damaged page')
})

t.test('after an unclean stop with undamaged pages, a row that was only in the write-ahead log is there', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const file = await copyWithLog(t, mina, await temporaryFolder(t))
  const restarted = await startService(t, { DATABASE_URL: `sqlite:${file}` })
  t.match((await (await restarted.logIn('mina')).get('/v1/todos')).json().items, [{ title: 'in the log' }])
})

t.test('pages that are damaged while the service runs cause 503, and the process keeps running', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await writeLogBack(t, service)
  const { size } = await stat(fileOf(service))
  await overwrite(PAGE_BYTES, size - PAGE_BYTES)(fileOf(service))
  await ask(service, sql`pragma shrink_memory`)
  t.match((await mina.get('/v1/todos')).json(), { status: 503, code: 'database_unavailable' })
  t.match((await mina.post('/v1/todos', { title: 'x' })).json(), { status: 503, code: 'database_unavailable' })
  t.match((await service.get('/readyz')).json(), { status: 503, code: 'database_unavailable' })
  t.equal((await service.get('/livez')).statusCode, 200)
})

async function stoppedDatabase(t: Test): Promise<string> {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await mina.post('/v1/todos', { title: 'x' })
  await service.app.close()
  return fileOf(service)
}

/** A copy of the files of a running service that has written to its write-ahead log since the last checkpoint. */
async function copyWithLog(t: Test, person: Person, folder: string): Promise<string> {
  const { service } = person
  await writeLogBack(t, service)
  await person.post('/v1/todos', { title: 'in the log' })
  const file = await copyDatabase(fileOf(service), folder)
  if ((await stat(`${file}-wal`)).size === 0) throw new Error('the log is empty')
  return file
}

/** On a separate connection: the service writes in transactions, in which no checkpoint can run. */
async function writeLogBack(t: Test, service: Service): Promise<void> {
  const other = await openFile(t, fileOf(service))
  other.pragma('wal_checkpoint(truncate)')
  other.close()
}

function overwrite(from: number, count: number): (file: string) => Promise<void> {
  return async (file) => {
    const bytes = await readFile(file)
    await writeFile(file, bytes.fill(0xff, from, from + count))
  }
}

async function assertRefused(t: Test, file: string, says: RegExp, name: string): Promise<void> {
  const before = await fingerprint(file)
  for (const migrate of [true, false]) {
    const error = await reasonToRefuse(file, migrate)
    t.type(error, DatabaseError, name)
    t.match(error, { message: says }, name)
    t.match(error, { message: file }, name)
  }
  t.equal(await fingerprint(file), before, `${name}: the file is unchanged`)
}

async function fingerprint(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}

async function openAndClose(file: string, migrate = true): Promise<void> {
  await (await openDatabase(`sqlite:${file}`, { migrate })).close()
}

async function reasonToRefuse(file: string, migrate = true): Promise<unknown> {
  try {
    await openAndClose(file, migrate)
  } catch (error) {
    return error
  }
}
