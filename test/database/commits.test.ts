// On SQLite alone: batches and commits of a SQLite file.

import { readFileSync, statSync } from 'node:fs'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { loadDriver } from '../../src/database/sqlite/driver.js'
import { type Person, type Service, startService } from '../helper.js'
import { ask, type Connection, fileOf, openFile } from '../support/sqlite.js'

const WAL_HEADER_BYTES = 32
const WAL_FRAME_BYTES = 4_096 + 24

t.test(
  'concurrent writes share commits, and each row is visible to other connections when its request is answered',
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

t.test('a rejected write does not affect the other writes of its batch', async (t) => {
  const { service, mina } = await watched(t)
  const outcomes = await Promise.allSettled([insert(service, mina.id), insert(service, 999), insert(service, mina.id)])
  t.match(outcomes, [
    { status: 'fulfilled' },
    { status: 'rejected', reason: { cause: { code: 'invalid_token' } } },
    { status: 'fulfilled' },
  ])
  t.equal((await mina.get('/v1/todos')).json().items.length, 2)
})

t.test('a failed commit rejects every write of the batch, and none of them is stored', async (t) => {
  const { service, mina, other } = await watched(t)
  other.exec('create table late (user_id integer references users (id) deferrable initially deferred)')
  // Only the commit checks the foreign key of this row.
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

t.test('reads of a batch share a lock, fail alone, and see what was committed before they began', async (t) => {
  const { service, mina, other } = await watched(t)
  const count = () => ask(service, sql`select count(*) from todos`)
  // The absolute value of the smallest integer overflows.
  const failing = () => ask(service, sql`select abs(-9223372036854775807 - 1)`)
  const outcomes = await Promise.allSettled([count(), failing(), count()])
  t.match(outcomes, [{ status: 'fulfilled', value: [[0]] }, { status: 'rejected' }, { status: 'fulfilled' }])
  const sent = await hearSqlite(t)
  await Promise.all([count(), count(), count()])
  t.same(
    sent().map((text) => text.split(' ')[0]),
    ['begin', 'select', 'select', 'select', 'commit'],
  )
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
})

t.test('a refresh and its audit event are one commit, shared with other refreshes of the batch', async (t) => {
  const { service, mina, other } = await watched(t)
  const joon = await service.signUp('joon')
  const commitsOf = async (work: () => Promise<unknown>) => {
    other.pragma('wal_checkpoint(truncate)')
    await work()
    return countCommits(`${fileOf(service)}-wal`)
  }
  let tokens = [mina, joon].map(({ login }) => login.refresh_token)
  const refresh = async () => {
    const answers = await Promise.all(tokens.map((token) => service.post('/v1/refresh', { refresh_token: token })))
    tokens = answers.map((answer) => answer.json().refresh_token)
  }
  t.equal(await commitsOf(() => mina.post('/v1/todos', { title: 'x' })), 1)
  t.equal(await commitsOf(refresh), 1)
  t.ok(tokens.every(Boolean))
  t.same(refreshesOf(other), [mina.id, joon.id])
})

t.test('an audit event that cannot be written fails its own refresh, not the other writes of the batch', async (t) => {
  const { service, mina, other } = await watched(t)
  const joon = await service.signUp('joon')
  other.exec(
    `create trigger full before insert on events when new.user_id = ${mina.id} begin select raise(abort, 'full'); end`,
  )
  const refresh = ({ login }: Person) => service.post('/v1/refresh', { refresh_token: login.refresh_token })
  const answers = await Promise.all([refresh(mina), refresh(joon), mina.post('/v1/todos', { title: 'x' })])
  t.same(
    answers.map(({ statusCode }) => statusCode),
    [500, 200, 201],
  )
  t.same(refreshesOf(other), [joon.id])
  other.exec('drop trigger full')
  t.equal((await refresh(mina)).statusCode, 200, 'the retried refresh succeeds')
  t.same(refreshesOf(other), [joon.id, mina.id])
})

t.test('a full disk rolls a refresh back, and the same refresh token works later', async (t) => {
  const { service, mina, other } = await watched(t)
  const refresh = (token: string) => service.post('/v1/refresh', { refresh_token: token })
  await ask(service, sql`pragma max_page_count = 1`)
  let token = mina.login.refresh_token
  let answer = await refresh(token)
  for (let count = 0; count < 500 && answer.statusCode === 200; count += 1) {
    token = answer.json().refresh_token
    answer = await refresh(token)
  }
  t.match(answer.json(), { status: 503, code: 'database_unavailable' })
  const generation = () => other.prepare('select generation from sessions').pluck().get()
  t.equal(generation(), refreshesOf(other).length)
  await ask(service, sql`pragma max_page_count = 1000000`)
  t.equal((await refresh(token)).statusCode, 200)
  t.equal(generation(), refreshesOf(other).length)
})

t.test('rows of a transaction are invisible to other reads until the batch is committed', async (t) => {
  const { service, mina, other } = await watched(t)
  const { transaction } = service.app.database
  other.exec('create table late (user_id integer references users (id) deferrable initially deferred)')
  let meanwhile: Promise<unknown[][]> | undefined
  const work = transaction(async (db) => {
    await insert(service, mina.id, db)
    meanwhile = ask(service, sql`select count(*) from todos`)
  })
  const outcomes = await Promise.allSettled([work, ask(service, sql`insert into late values (999) returning user_id`)])
  t.same(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  t.same(await meanwhile, [[0]])
})

t.test('a failed transaction of a batch is rolled back alone', async (t) => {
  const { service, mina } = await watched(t)
  const { transaction } = service.app.database
  const fail = async (owners: number[], error?: Error) =>
    transaction(async (db) => {
      for (const owner of owners) await insert(service, owner, db)
      if (error !== undefined) throw error
    })
  const outcomes = await Promise.allSettled([
    insert(service, mina.id),
    fail([mina.id, mina.id, 999]),
    fail([mina.id]),
    fail([mina.id, mina.id], new Error('second thoughts')),
    insert(service, mina.id),
  ])
  t.match(outcomes, [
    { status: 'fulfilled' },
    { status: 'rejected', reason: { cause: { code: 'invalid_token' } } },
    { status: 'fulfilled' },
    { status: 'rejected', reason: { message: 'second thoughts' } },
    { status: 'fulfilled' },
  ])
  t.equal((await mina.get('/v1/todos')).json().items.length, 3)
})

t.test('a transaction that awaits anything but its own statements fails alone', async (t) => {
  const { service, mina } = await watched(t)
  const { transaction, db: outside } = service.app.database
  const waits = [
    () => ask(service, sql`select 1`),
    () => insert(service, mina.id, outside),
    () => transaction((db) => insert(service, mina.id, db)),
    () => new Promise(() => {}),
  ]
  for (const wait of waits) {
    const before = (await mina.get('/v1/todos')).json().items.length
    const late: Promise<unknown>[] = []
    const work = async (db: typeof outside) => {
      await insert(service, mina.id, db)
      await wait()
      late.push(insert(service, mina.id, db).catch((error) => error))
    }
    const [refused, beside] = await Promise.allSettled([transaction(work), insert(service, mina.id)])
    t.match(refused, { status: 'rejected', reason: { message: /may wait for nothing but its own statements/ } })
    t.match(beside, { status: 'fulfilled' })
    t.equal((await mina.post('/v1/todos', { title: 'after' })).statusCode, 201)
    for (const error of await Promise.all(late)) t.match(error, { cause: { message: /is over/ } })
    const { length } = (await mina.get('/v1/todos')).json().items
    t.ok(length - before <= 3, `${length - before} rows: two beside the transaction, one outside it`)
  }
})

t.test('when a full disk ends the transaction of a batch, exactly the acknowledged writes are stored', async (t) => {
  const { service, mina, other } = await watched(t)
  const { transaction } = service.app.database
  await ask(service, sql`pragma max_page_count = 1`)
  const { tables, now } = service.app.database
  const row = { userId: mina.id, title: 'x', description: 'x'.repeat(100_000), createdAt: now, updatedAt: now }
  const outcomes = await Promise.allSettled([
    insert(service, mina.id),
    transaction(async (db) => {
      await insert(service, mina.id, db)
      await db
        .insert(tables.todos)
        .values(row)
        .catch(() => {})
    }),
    insert(service, mina.id),
  ])
  const inserted = other.prepare('select count(*) from todos').pluck().get()
  const fulfilled = outcomes.filter(({ status }) => status === 'fulfilled').length
  t.equal(outcomes[1]?.status, 'rejected')
  t.match(outcomes[1], { reason: { code: 'database_unavailable' } })
  t.equal(inserted, fulfilled, 'every acknowledged write is stored, and no other')
  await ask(service, sql`pragma max_page_count = 1000000`)
  t.equal((await mina.post('/v1/todos', { title: 'after' })).statusCode, 201)
})

/**
 * Records every statement that the driver runs, including statements in transactions. Returns a function that stops the
 * recording and returns the statements.
 */
async function hearSqlite(t: Test): Promise<() => string[]> {
  const texts: string[] = []
  const Sqlite = await loadDriver()
  const connection = new Sqlite(':memory:')
  const statement = Object.getPrototypeOf(connection.prepare('select 1'))
  connection.close()
  let isHearing = true
  for (const name of ['run', 'all', 'get']) {
    const original = statement[name]
    t.intercept(statement, name, {
      value(this: { source: string }, ...args: unknown[]) {
        if (isHearing) texts.push(this.source)
        return original.apply(this, args)
      },
    })
  }
  return () => {
    isHearing = false
    return texts
  }
}

async function watched(t: Parameters<typeof startService>[0]) {
  const service = await startService(t)
  const mina: Person = await service.signUp('mina')
  return { service, mina, other: await openFile(t, fileOf(service)) }
}

async function insert({ app }: Service, userId: number, db = app.database.db): Promise<void> {
  const { tables, now } = app.database
  await db.insert(tables.todos).values({ userId, title: 'x', createdAt: now, updatedAt: now })
}

/** The users of the recorded refreshes, in order. */
function refreshesOf(other: Connection): unknown[] {
  return other.prepare("select user_id from events where type = 'session.refreshed' order by id").pluck().all()
}

/** Counts the commits in a write-ahead log: the last frame of each commit contains the size of the database. */
function countCommits(file: string): number {
  const log = readFileSync(file)
  let commits = 0
  for (let frame = WAL_HEADER_BYTES; frame < log.length; frame += WAL_FRAME_BYTES) {
    if (log.readUInt32BE(frame + 4) > 0) commits += 1
  }
  return commits
}
