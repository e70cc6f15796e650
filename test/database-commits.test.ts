import { statSync } from 'node:fs'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { type Person, type Service, startService } from './helper.js'
import { ask, fileOf, openFile } from './sqlite.js'

const WAL_HEADER_BYTES = 32
const WAL_FRAME_BYTES = 4_096 + 24

t.test(
  'writes at the same moment share a commit, and are there for others to see when they are answered',
  async (t) => {
    const { service, mina, other } = await watched(t)
    const pagesOf = async (work: () => Promise<unknown>) => {
      other.pragma('wal_checkpoint(truncate)')
      await work()
      return (statSync(`${fileOf(service)}-wal`).size - WAL_HEADER_BYTES) / WAL_FRAME_BYTES
    }
    const inTurn = await pagesOf(async () => {
      for (let count = 0; count < 40; count += 1) await mina.post('/v1/todos', { title: 'in turn' })
    })
    const seen: unknown[] = []
    const together = await pagesOf(() =>
      Promise.all(
        Array.from({ length: 40 }, async () => {
          const { id } = (await mina.post('/v1/todos', { title: 'together' })).json()
          seen.push(other.prepare('select id from todos where id = ?').pluck().get(id) === id)
        }),
      ),
    )
    t.ok(inTurn >= 80, `${inTurn} pages`)
    t.ok(together < inTurn / 2, `${together} pages`)
    t.same(new Set(seen), new Set([true]))
    t.equal(seen.length, 40)
  },
)

t.test('a write that is refused is refused alone', async (t) => {
  const { service, mina } = await watched(t)
  const outcomes = await Promise.allSettled([insert(service, mina.id), insert(service, 999), insert(service, mina.id)])
  t.match(outcomes, [
    { status: 'fulfilled' },
    { status: 'rejected', reason: { cause: { code: 'invalid_token' } } },
    { status: 'fulfilled' },
  ])
  t.equal((await mina.get('/v1/todos')).json().items.length, 2)
})

t.test('a commit that fails fails for all that shared it, and leaves nothing behind', async (t) => {
  const { service, mina, other } = await watched(t)
  other.exec('create table late (user_id integer references users (id) deferrable initially deferred)')
  // The commit alone finds that this row has no owner.
  const orphan = ask(service, sql`insert into late values (999) returning user_id`)
  const outcomes = await Promise.allSettled([insert(service, mina.id), orphan, insert(service, mina.id)])
  t.same(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  t.equal(other.prepare('select count(*) from todos').pluck().get(), 0)
  t.equal((await mina.post('/v1/todos', { title: 'after' })).statusCode, 201)
  t.match((await mina.get('/v1/todos')).json().items, [{ title: 'after' }])
})

t.test(
  'reads of the same moment share a lock: one that fails fails alone, and none is older than itself',
  async (t) => {
    const { service, mina, other } = await watched(t)
    const count = () => ask(service, sql`select count(*) from todos`)
    // The absolute value of the smallest integer is none.
    const failing = () => ask(service, sql`select abs(-9223372036854775807 - 1)`)
    const outcomes = await Promise.allSettled([count(), failing(), count()])
    t.match(outcomes, [{ status: 'fulfilled', value: [[0]] }, { status: 'rejected' }, { status: 'fulfilled' }])
    const byAnother = other.prepare(
      `insert into todos (id, user_id, title, created_at, updated_at)
       select last + 1, ${mina.id}, 'x', 0, 0 from row_ids where name = 'todos'`,
    )
    for (let written = 1; written <= 20; written += 1) {
      const earlier = [count(), count()]
      await earlier[0]
      byAnother.run()
      t.same(await count(), [[written]])
      await Promise.all(earlier)
    }
  },
)

async function watched(t: Parameters<typeof startService>[0]) {
  const service = await startService(t)
  const mina: Person = await service.signUp('mina')
  return { service, mina, other: await openFile(t, fileOf(service)) }
}

async function insert({ app }: Service, userId: number): Promise<void> {
  const { db, tables, now } = app.database
  await db.insert(tables.todos).values({ userId, title: 'x', createdAt: now, updatedAt: now })
}
