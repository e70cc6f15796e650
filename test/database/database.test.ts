// On SQLite alone: pragmas and paths of a SQLite file.

import { mkdir, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { startService, temporaryFolder } from '../helper.js'
import { ask, fileOf, openFile } from '../support/sqlite.js'

t.test('every table is STRICT', async (t) => {
  const service = await startService(t)
  const tables = await ask(service, sql`select name, strict from pragma_table_list where schema = 'main'`)
  const own = tables.filter(([name]) => !String(name).startsWith('sqlite_'))
  t.ok(own.length >= 8)
  t.same(
    own.filter(([, strict]) => strict !== 1),
    [],
  )
})

t.test('synchronous = FULL, WAL mode and foreign keys are on at the first start and after a restart', async (t) => {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  for (const start of ['first', 'second']) {
    const service = await startService(t, { DATABASE_URL })
    await service.signUp(`${start}-person`)
    // Checked after a write: SQLite's default in WAL mode reports FULL on a fresh file, and is NORMAL after the first
    // write.
    t.same(await ask(service, sql`pragma synchronous`), [[2]], `${start} start`)
    t.same(await ask(service, sql`pragma journal_mode`), [['wal']], `${start} start`)
    t.same(await ask(service, sql`pragma foreign_keys`), [[1]], `${start} start`)
    await service.app.close()
  }
})

t.test('the file has the application_id of Latchkey', async (t) => {
  const service = await startService(t)
  t.same(await ask(service, sql`pragma application_id`), [[0x4c4b4559]])
})

t.test('only the owner of the process can access the data folder and its files', async (t) => {
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const folder = join(await temporaryFolder(t), 'deep', 'data')
  const service = await startService(t, { DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}` })
  await service.signUp('mina')
  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
  t.equal(await mode(folder), '700')
  const names = await readdir(folder)
  t.same(names.sort(), ['latchkey.db', 'latchkey.db-shm', 'latchkey.db-wal', 'latchkey.db.secret'])
  for (const name of names) t.equal(await mode(join(folder, name)), '600', name)
})

t.test('an existing data folder keeps its mode', async (t) => {
  const folder = join(await temporaryFolder(t), 'data')
  await mkdir(folder, { mode: 0o750 })
  await startService(t, { DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}` })
  t.equal((await stat(folder)).mode & 0o777, 0o750)
})

t.test('the id of a deleted row is never given out again, not even after a restart', async (t) => {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const ids: Record<string, number[]> = { users: [], todos: [], tutorials: [] }
  for (let start = 1; start <= 2; start += 1) {
    const service = await startService(t, { DATABASE_URL })
    const { db, tables } = service.app.database
    for (let round = 1; round <= 2; round += 1) {
      const mina = await service.signUp('mina')
      ids.users?.push(mina.id)
      for (const list of ['todos', 'tutorials']) {
        const body = list === 'todos' ? { title: 'x' } : { name: 'x', description: '' }
        const { id } = (await mina.post(`/v1/${list}`, body)).json()
        t.equal((await mina.delete(`/v1/${list}/${id}`)).statusCode, 204)
        ids[list]?.push(id, (await mina.post(`/v1/${list}`, body)).json().id)
      }
      await db.delete(tables.users).where(eq(tables.users.id, mina.id))
    }
    await service.app.close()
  }
  const eight = [1, 2, 3, 4, 5, 6, 7, 8]
  t.same(ids, { users: [1, 2, 3, 4], todos: eight, tutorials: eight })
})

t.test('the id of the newest row is not reused after the row is deleted and the service restarts', async (t) => {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const rows = { todos: { title: 'x' }, tutorials: { name: 'x', description: '' } }
  const first = await startService(t, { DATABASE_URL })
  const [mina, joon] = [await first.signUp('mina'), await first.signUp('joon')]
  for (const [list, body] of Object.entries(rows)) {
    await mina.post(`/v1/${list}`, body)
    t.equal((await joon.post(`/v1/${list}`, body)).json().id, 2, 'the ids of both users come from one sequence')
    t.equal((await joon.delete(`/v1/${list}/2`)).statusCode, 204)
  }
  await first.app.close()
  const second = await startService(t, { DATABASE_URL })
  const again = await second.logIn('mina')
  for (const [list, body] of Object.entries(rows)) {
    t.equal((await again.post(`/v1/${list}`, body)).json().id, 3)
    t.equal((await again.get(`/v1/${list}/2`)).statusCode, 404)
  }
})

t.test('rows inserted in one statement without ids are rejected: both owners would get the same id', async (t) => {
  const service = await startService(t)
  const people = [await service.signUp('mina'), await service.signUp('joon')]
  const { db, tables } = service.app.database
  const row = { title: 'x', name: 'x', description: '', createdAt: 0, updatedAt: 0 }
  const rows = people.map(({ id }) => ({ ...row, userId: id }))
  await t.rejects(db.insert(tables.todos).values(rows), { cause: { message: 'todos.id is taken' } })
  await t.rejects(db.insert(tables.tutorials).values(rows), { cause: { message: 'tutorials.id is taken' } })
  for (const person of people) t.same((await person.get('/v1/todos')).json().items, [])
  await db.insert(tables.todos).values(rows.map((row, index) => ({ ...row, id: 7 - index })))
  t.equal((await people[0]?.post('/v1/todos', { title: 'y' }))?.json().id, 8)
})

t.test('a token of a deleted account does not work for a new account with the same name', async (t) => {
  const service = await startService(t)
  const { db, tables } = service.app.database
  const before = await service.signUp('mina')
  await db.delete(tables.users).where(eq(tables.users.id, before.id))
  const after = await service.signUp('mina')
  await after.post('/v1/todos', { title: 'of the second Mina' })
  t.not(after.id, before.id)
  t.equal((await before.get('/v1/me')).statusCode, 401)
  t.same((await before.get('/v1/todos')).json().items, [])
})

t.test('a value of the wrong type, or an owner who does not exist, cannot be stored', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const other = await openFile(t, fileOf(service))
  other.pragma('foreign_keys = on')
  const insert = other.prepare('insert into todos (id, user_id, title, created_at, updated_at) values (1, ?, ?, ?, 0)')
  t.throws(() => insert.run(1n, 'x', 'yesterday'), /cannot store TEXT value in INTEGER column/)
  t.throws(() => insert.run(7n, 'x', 0n), /FOREIGN KEY/)
  t.equal(insert.run(1n, 'x', 0n).changes, 1)
})

t.test('a stopped service leaves only the database file and the secret file', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  await service.app.close()
  t.same((await readdir(dirname(fileOf(service)))).sort(), ['latchkey.db', 'latchkey.db.secret'])
})
