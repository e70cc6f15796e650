import { sql } from 'drizzle-orm'
import t from 'tap'
import { sweepClosedAccounts } from '../../src/accounts/closed-accounts.js'
import { pruneAll, prunesOf } from '../../src/accounts/prunes.js'
import { PASSWORD, type Person, type Service, startService } from '../helper.js'
import { startSecond, until } from '../support/replica.js'

t.setTimeout(180_000)

const MANY = 2_500
const goOn = new AbortController().signal

t.test('pruning deletes all expired events, however many there are, and counts them in the metrics', async (t) => {
  const service = await startService(t, { METRICS: 'public' })
  const mina = await service.signUp('mina')
  const { db, tables } = service.app.database
  for (let n = 0; n < MANY; n += 500) {
    await db.insert(tables.events).values(Array.from({ length: 500 }, () => ({ type: 'login.failed', createdAt: 1 })))
  }
  await service.app.events.prune()
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
  const prunes = { broken: () => Promise.reject(new Error('no such table')), ...prunesOf(service.app) }
  await t.rejects(pruneAll(prunes, goOn), { errors: [{ message: /broken/, cause: { message: 'no such table' } }] })
  t.equal(await db.$count(tables.events, sql`${tables.events.createdAt} = 1`), 0)
})

t.test('an account with many rows is closed at once, and any replica deletes its rows later', async (t) => {
  const service = await startService(t)
  const admin = await service.signUp('ada')
  await makeAdmin(service, admin)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await joon.post('/v1/todos', { title: 'of Joon' })
  await mina.post('/v1/todos', { title: 'first' })
  await mina.post('/v1/tutorials', { name: 'first', description: '' })
  const { db, tables } = service.app.database
  const [{ id: last = 0 } = {}] = (await mina.get('/v1/todos')).json().items
  for (let n = 0; n < MANY; n += 500) {
    const values = Array.from({ length: 500 }, (_, k) => ({
      id: last + 1 + n + k,
      userId: mina.id,
      title: 'x',
      createdAt: 0,
      updatedAt: 0,
    }))
    await db.insert(tables.todos).values(values)
  }
  await service.app.database.setLastId(db, 'todos', last + MANY)

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

  const second = await startSecond(t, service)
  await Promise.all([sweepClosedAccounts(second.app.database), sweepClosedAccounts(service.app.database)])
  await until(async () => {
    await sweepClosedAccounts(second.app.database)
    return (await db.$count(tables.users, sql`${tables.users.id} = ${mina.id}`)) === 0
  })
  t.equal(await db.$count(tables.todos), 1, "only Joon's row is left")
  t.equal(await db.$count(tables.tutorials), 0)
  t.ok(Number((await next.post('/v1/todos', { title: 'x' })).json().id) > last + MANY, 'no id is reused')
})

t.test('a sweep that is aborted is completed by the next one', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await mina.post('/v1/todos', { title: 'first' })
  const { db, tables } = service.app.database
  const closed = { username: null, usernameKey: null, isActive: false }
  await db.update(tables.users).set(closed).where(sql`${tables.users.id} = ${mina.id}`)
  await sweepClosedAccounts(service.app.database, AbortSignal.abort())
  t.equal(await db.$count(tables.todos), 1)
  t.equal(await db.$count(tables.users), 1, 'an account is deleted after its rows')
  await sweepClosedAccounts(service.app.database, goOn)
  t.same([await db.$count(tables.todos), await db.$count(tables.users)], [0, 0])
})

async function makeAdmin({ app }: Service, { id }: Person): Promise<void> {
  await app.administration.change(id, { role: 'admin' }, { id: null })
}
