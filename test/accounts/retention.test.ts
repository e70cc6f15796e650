import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { sweepClosedAccounts } from '../../src/accounts/closed-accounts.js'
import { pruneAll, prunesOf } from '../../src/accounts/prunes.js'
import { prunes } from '../../src/telemetry/channels.js'
import { PASSWORD, type Person, type Service, startService } from '../helper.js'
import { startSecond, until } from '../support/replica.js'

t.setTimeout(180_000)

const MANY = 2_500
/** Limits how long a delete blocks other statements on SQLite. */
const BATCH = 1_000
const goOn = new AbortController().signal

t.test('pruning deletes all expired events, at most 1,000 in a statement, and counts them', async (t) => {
  const service = await startService(t, { METRICS: 'public' })
  const mina = await service.signUp('mina')
  const { db, tables } = service.app.database
  for (let n = 0; n < MANY; n += 500) {
    await db.insert(tables.events).values(Array.from({ length: 500 }, () => ({ type: 'login.failed', createdAt: 1 })))
  }
  const batches = hearBatches(t, 'events')
  await service.app.events.prune()
  t.same(batches, [BATCH, BATCH, MANY - 2 * BATCH])
  t.equal(await db.$count(tables.events, sql`${tables.events.createdAt} = 1`), 0)
  t.ok((await db.$count(tables.events)) > 0, 'newer events stay')
  t.match(
    (await service.app.inject('/metrics')).payload,
    new RegExp(`^pruned_rows_total\\{table="events"\\} ${MANY}$`, 'm'),
  )
  t.equal((await mina.get('/v1/me')).statusCode, 200)
})

t.test('a prune that fails does not stop the others, and its error is reported', async (t) => {
  const service = await startService(t)
  const { db, tables } = service.app.database
  await db.insert(tables.events).values({ type: 'login.failed', createdAt: 1 })
  const all = { broken: () => Promise.reject(new Error('no such table')), ...prunesOf(service.app) }
  await t.rejects(pruneAll(all, goOn), { errors: [{ message: /broken/, cause: { message: 'no such table' } }] })
  t.equal(await db.$count(tables.events, sql`${tables.events.createdAt} = 1`), 0)
})

t.test('an account with many rows is closed at once, and its rows are deleted afterwards, in batches', async (t) => {
  const service = await startService(t)
  const admin = await service.signUp('ada')
  await makeAdmin(service, admin)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await joon.post('/v1/todos', { title: 'of Joon' })
  await mina.post('/v1/todos', { title: 'first' })
  await mina.post('/v1/tutorials', { name: 'first', description: '' })
  const { db, tables } = service.app.database
  const last = await addTodos(mina)

  const batches = hearBatches(t, 'todos')
  t.equal((await mina.post('/v1/me/delete', { current_password: PASSWORD })).statusCode, 204)
  t.equal((await mina.get('/v1/todos')).statusCode, 401)
  t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 401)
  const asAdmin = await service.logIn('ada')
  t.equal((await asAdmin.get(`/v1/users/${mina.id}`)).statusCode, 404)
  t.equal((await asAdmin.patch(`/v1/users/${mina.id}`, { is_active: true })).statusCode, 404)
  t.equal((await asAdmin.delete(`/v1/users/${mina.id}`)).statusCode, 404)
  t.same(
    (await asAdmin.get('/v1/users')).json().items.map(({ username }: { username: string }) => username),
    ['joon', 'ada'],
  )
  const next = await service.signUp('mina')
  t.not(next.id, mina.id)
  t.same((await next.get('/v1/todos')).json().items, [], 'the name is free, and the new account has no rows')

  await until(async () => (await db.$count(tables.users, sql`${tables.users.id} = ${mina.id}`)) === 0)
  t.equal(await db.$count(tables.todos), 1, "only Joon's row is left")
  t.same(batches, [BATCH, BATCH, MANY + 1 - 2 * BATCH])
  t.equal(await db.$count(tables.tutorials), 0)
  t.ok(Number((await next.post('/v1/todos', { title: 'x' })).json().id) > last, 'no id is reused')
})

t.test('a sweep that ends between two batches is completed by another replica', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await joon.post('/v1/todos', { title: 'of Joon' })
  await addTodos(mina)
  const { db, tables } = service.app.database
  const closed = { username: null, usernameKey: null, isActive: false }
  await db.update(tables.users).set(closed).where(sql`${tables.users.id} = ${mina.id}`)
  const left = async () => [await db.$count(tables.todos), await db.$count(tables.users)]
  const ending = new AbortController()
  const unsubscribe = prunes.subscribe(() => ending.abort())
  await sweepClosedAccounts(service.app.database, ending.signal)
  unsubscribe()
  t.same(await left(), [1 + MANY - BATCH, 2], 'one batch is deleted; the account stays until all its rows are')
  const second = await startSecond(t, service)
  await sweepClosedAccounts(second.app.database)
  t.same(await left(), [1, 1])
})

/** Adds many todos for a user. Returns the id of the last. */
async function addTodos({ id: userId, service }: Person): Promise<number> {
  const { db, tables, lastId, setLastId } = service.app.database
  const first = (await lastId(db, 'todos')) + 1
  for (let n = 0; n < MANY; n += 500) {
    const values = Array.from({ length: 500 }, (_, k) => ({
      id: first + n + k,
      userId,
      title: 'x',
      createdAt: 0,
      updatedAt: 0,
    }))
    await db.insert(tables.todos).values(values)
  }
  await setLastId(db, 'todos', first + MANY - 1)
  return first + MANY - 1
}

/** Collects how many rows each delete of a prune removes from this table, from now on. */
function hearBatches(t: Test, table: string): number[] {
  const batches: number[] = []
  t.teardown(prunes.subscribe((deleted) => deleted.table === table && batches.push(deleted.rows)))
  return batches
}

async function makeAdmin({ app }: Service, { id }: Person): Promise<void> {
  await app.administration.change(id, { role: 'admin' }, { id: null })
}
