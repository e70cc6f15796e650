import { eq, sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { type Db, within } from '../../src/database/database.js'
import { type Person, type Service, startService } from '../helper.js'

t.test('a transaction returns the result of its callback, and its rows are stored', async (t) => {
  const { service, mina } = await start(t)
  const title = await service.app.database.transaction(async (db) => {
    await insert(service, mina, db, 'first')
    t.equal(await countRows(service, mina, db), 1, 'the transaction sees its own rows')
    await insert(service, mina, db, 'second')
    return 'returned'
  })
  t.equal(title, 'returned')
  t.equal(await countRows(service, mina), 2)
})

t.test('a callback that throws rolls the transaction back', async (t) => {
  const { service, mina } = await start(t)
  const work = service.app.database.transaction(async (db) => {
    await insert(service, mina, db)
    throw new Error('second thoughts')
  })
  await t.rejects(work, { message: 'second thoughts' })
  t.equal(await countRows(service, mina), 0)
})

t.test('a failed statement rolls the transaction back even if its error is caught', async (t) => {
  const { service, mina } = await start(t)
  const failures = [
    { code: 'invalid_token', act: (db: Db) => insert(service, { id: 4711 }, db) },
    { code: 'text_rejected', act: (db: Db) => insert(service, mina, db, 'nul \0') },
  ]
  for (const { code, act } of failures) {
    const seen: unknown[] = []
    const work = service.app.database.transaction(async (db) => {
      await insert(service, mina, db)
      await act(db).catch((error) => seen.push(error))
      await insert(service, mina, db).catch((error) => seen.push(error))
    })
    await t.rejects(work, { code })
    t.match(seen, [{ cause: { code } }, { cause: { code } }])
    t.equal(await countRows(service, mina), 0, code)
  }
})

t.test('a transaction that has ended rejects further statements', async (t) => {
  const { service, mina } = await start(t)
  for (const outcome of ['good', 'bad']) {
    let kept: Db | undefined
    const work = service.app.database.transaction(async (db) => {
      kept = db
      if (outcome === 'bad') throw new Error('bad')
    })
    await work.catch(() => {})
    await t.rejects(insert(service, mina, kept), { cause: { message: /is over/ } }, outcome)
  }
  t.equal(await countRows(service, mina), 0)
})

t.test('a prepared statement runs within a transaction, and on its own afterwards', async (t) => {
  const { service, mina } = await start(t)
  const { db, tables, transaction } = service.app.database
  const rename = db
    .update(tables.todos)
    .set({ title: sql`${sql.placeholder('title')}` })
    .where(eq(tables.todos.userId, sql.placeholder('userId')))
    .returning({ title: tables.todos.title })
    .prepare('rename_todos')
  await insert(service, mina)
  const undone = transaction(async (db) => {
    t.same(await within(db, rename).execute({ title: 'undone', userId: mina.id }), [{ title: 'undone' }])
    throw new Error('bad')
  })
  await t.rejects(undone, { message: 'bad' })
  t.equal(await titleOf(service, mina), 'x')
  await transaction((db) => within(db, rename).execute({ title: 'within', userId: mina.id }).then())
  t.equal(await titleOf(service, mina), 'within')
  t.same(await rename.execute({ title: 'alone', userId: mina.id }), [{ title: 'alone' }])
  t.equal(await titleOf(service, mina), 'alone')
})

t.test('40 concurrent transactions each store all of their rows or none', async (t) => {
  const { service, mina } = await start(t)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, (_, index) =>
      service.app.database.transaction(async (db) => {
        await insert(service, mina, db)
        await insert(service, index % 2 === 0 ? mina : { id: 4711 }, db)
      }),
    ),
  )
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 20)
  t.equal(await countRows(service, mina), 40)
})

async function start(t: Test) {
  const service = await startService(t)
  return { service, mina: await service.signUp('mina') }
}

async function insert({ app }: Service, owner: Pick<Person, 'id'>, db: Db = app.database.db, title = 'x') {
  const { tables, now } = app.database
  await db.insert(tables.todos).values({ userId: owner.id, title, createdAt: now, updatedAt: now })
}

function countRows({ app }: Service, { id }: Person, db: Db = app.database.db): Promise<number> {
  return db.$count(app.database.tables.todos, eq(app.database.tables.todos.userId, id)).then(Number)
}

async function titleOf({ app }: Service, { id }: Person): Promise<string | undefined> {
  const { db, tables } = app.database
  return (await db.select().from(tables.todos).where(eq(tables.todos.userId, id)))[0]?.title
}
