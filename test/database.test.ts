import { mkdir, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { startService, temporaryFolder } from './helper.js'
import { ask, fileOf, openFile } from './sqlite.js'

t.test('every table of ours is strict', async (t) => {
  const service = await startService(t)
  const tables = await ask(service, sql`select name, strict from pragma_table_list where schema = 'main'`)
  const own = tables.filter(([name]) => !String(name).startsWith('sqlite_'))
  t.ok(own.length >= 8)
  t.same(
    own.filter(([, strict]) => strict !== 1),
    [],
  )
})

t.test('an acknowledged row is on the disk, and rows cannot lose their owner: also after a restart', async (t) => {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  for (const start of ['first', 'second']) {
    const service = await startService(t, { DATABASE_URL })
    await service.signUp(`${start}-person`)
    // Once something was written: on a fresh file SQLite says FULL and goes over to NORMAL with the first write.
    t.same(await ask(service, sql`pragma synchronous`), [[2]], `${start} start`)
    t.same(await ask(service, sql`pragma journal_mode`), [['wal']], `${start} start`)
    t.same(await ask(service, sql`pragma foreign_keys`), [[1]], `${start} start`)
    await service.app.close()
  }
})

t.test('the file is marked as ours', async (t) => {
  const service = await startService(t)
  t.same(await ask(service, sql`pragma application_id`), [[0x4c4b4559]])
})

t.test('nobody but the owner of the process can read what it keeps', async (t) => {
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

t.test('a folder that is there keeps its mode', async (t) => {
  const folder = join(await temporaryFolder(t), 'data')
  await mkdir(folder, { mode: 0o750 })
  await startService(t, { DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}` })
  t.equal((await stat(folder)).mode & 0o777, 0o750)
})

t.test('an id is never given out again, also after a restart', async (t) => {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const ids: Record<'user' | 'todo', number[]> = { user: [], todo: [] }
  for (let start = 1; start <= 2; start += 1) {
    const service = await startService(t, { DATABASE_URL })
    const { db, tables } = service.app.database
    for (let round = 1; round <= 2; round += 1) {
      const mina = await service.signUp('mina')
      const todo = (await mina.post('/v1/todos', { title: 'x' })).json()
      await mina.delete(`/v1/todos/${todo.id}`)
      ids.todo.push(todo.id, (await mina.post('/v1/todos', { title: 'y' })).json().id)
      ids.user.push(mina.id)
      await db.delete(tables.users).where(eq(tables.users.id, mina.id))
    }
    await service.app.close()
  }
  t.same(ids, { user: [1, 2, 3, 4], todo: [1, 2, 3, 4, 5, 6, 7, 8] })
})

t.test('a token of somebody who was deleted does not name the next one of that name', async (t) => {
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

t.test('a column takes its own type alone, and a row its owner', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const other = await openFile(t, fileOf(service))
  other.pragma('foreign_keys = on')
  const insert = other.prepare('insert into todos (user_id, title, created_at, updated_at) values (?, ?, ?, 0)')
  t.throws(() => insert.run(1n, 'x', 'yesterday'), /cannot store TEXT value in INTEGER column/)
  t.throws(() => insert.run(7n, 'x', 0n), /FOREIGN KEY/)
  t.equal(insert.run(1n, 'x', 0n).changes, 1)
})

t.test('a service that has stopped leaves the database in one file, and the secret', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  await service.app.close()
  t.same((await readdir(dirname(fileOf(service)))).sort(), ['latchkey.db', 'latchkey.db.secret'])
})
