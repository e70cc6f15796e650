// On PostgreSQL alone: only the PostgreSQL driver pipelines statements.

import { setTimeout as sleep } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/database.js'
import { openDatabase } from '../../src/database/open.js'
import { createDatabase, onServer, POSTGRES_ONLY, SERVER_URL } from '../support/databases.js'
import { startNetwork } from '../support/network.js'
import { until } from '../support/replica.js'

t.setTimeout(120_000)

const POOL_SIZE = 8
/** The server process that executed a statement. */
const pid = sql<number>`pg_backend_pid()`.as('pid')

t.test('short statements share connections', { skip: POSTGRES_ONLY }, async (t) => {
  const url = await createDatabase(t, SERVER_URL ?? '')
  const database = await openDatabase(url, { migrate: true, poolSize: POOL_SIZE })
  t.teardown(() => database.close())
  const { insert, add, divide, pause } = prepare(database)
  // Lanes connect in the background.
  await untilShared(() => divide.execute({ by: 1 }))
  let warm = 0
  await untilShared(() => insert.execute({ key: `warm ${++warm}` }))

  t.test('a failed read of a pipeline does not affect the other reads', async (t) => {
    const divisors = Array.from({ length: 60 }, (_, index) => index % 10)
    const outcomes = await Promise.allSettled(divisors.map((by) => divide.execute({ by })))
    outcomes.forEach((outcome, index) => {
      const by = divisors[index] ?? 0
      if (by === 0) t.match(outcome, { status: 'rejected', reason: { cause: { code: '22012' } } })
      else t.match(outcome, { status: 'fulfilled', value: [{ quotient: (60 / by) | 0 }] })
    })
    t.ok(pidsOf(outcomes).size <= 2, 'over two connections at most')
  })

  t.test('a failed write of a pipeline does not affect the other writes', async (t) => {
    const keys = Array.from({ length: 60 }, (_, index) => `key ${index - (index % 10 === 9 ? 1 : 0)}`)
    const outcomes = await Promise.allSettled(keys.map((key) => insert.execute({ key })))
    const failed = outcomes.filter(({ status }) => status === 'rejected')
    t.equal(failed.length, 6)
    for (const outcome of failed) t.match(outcome, { reason: { cause: { code: '23505' } } })
    const rows = await onServer(url, "select key from throttle where key like 'key %'")
    t.strictSame(new Set(rows.map(({ key }) => key)), new Set(keys))
    t.equal(pidsOf(outcomes).size, 1, 'over one connection')
  })

  t.test('a statement that cannot be prepared affects no others, and works once its table exists', async (t) => {
    const late = database.db.select({ is: sql`late.is` }).from(sql`late`).prepare('select_late')
    const outcomes = await Promise.allSettled([late.execute(), late.execute(), divide.execute({ by: 1 })])
    t.match(outcomes, [{ reason: { cause: { code: '42P01' } } }, { reason: { cause: { code: '42P01' } } }, {}])
    t.equal(outcomes[2]?.status, 'fulfilled')
    await onServer(url, 'create table late as select 1 as is')
    t.same(await late.execute(), [{ is: 1 }])
    t.same(await late.execute(), [{ is: 1 }], 'its columns are not described again')
    await onServer(url, 'alter table late alter column "is" type text using \'one\'')
    await t.rejects(late.execute(), { cause: { code: 'database_unavailable' } })
    await until(async () => (await late.execute())[0]?.is === 'one')
  })

  t.test('statements of a connection that hangs are rejected in time, and a new connection replaces it', async (t) => {
    const network = await startNetwork(t, url)
    const database = await openDatabase(network.url, { migrate: false, poolSize: POOL_SIZE })
    t.teardown(() => database.close())
    const { divide } = prepare(database)
    t.match(await divide.execute({ by: 2 }), [{ quotient: 30 }])
    network.hold()
    const sentAt = performance.now()
    const outcomes = await Promise.allSettled([1, 2].map((by) => divide.execute({ by })))
    t.match(
      outcomes,
      [1, 2].map(() => ({ status: 'rejected', reason: { cause: { code: 'database_unavailable' } } })),
    )
    t.ok(performance.now() - sentAt > 3_000, 'the server had the time that a statement may take')
    network.release()
    t.match(await divide.execute({ by: 2 }), [{ quotient: 30 }])
  })

  t.test('statements do not queue behind a statement that waits for a row lock', async (t) => {
    const other = await begin(t, url, "update throttle set tries = 0 where key = 'key 1'")
    const locked = add.execute({ key: 'key 1' })
    let isWaiting = true
    locked.then(() => {
      isWaiting = false
    })
    await until(async () => (await blocked(url)) > 0)
    t.match(await Promise.all([2, 3, 4].map((n) => add.execute({ key: `key ${n}` }))), [
      [{ tries: 1 }],
      [{ tries: 1 }],
      [{ tries: 1 }],
    ])
    t.ok(isWaiting)
    await other.query('commit')
    t.match(await locked, [{ tries: 1 }])
  })

  t.test('statements do not queue behind a statement that waits for a table lock', async (t) => {
    const other = await begin(t, url, 'lock table todos')
    const { todos } = database.tables
    const locked = database.db.select({ pid }).from(todos).prepare('select_locked').execute()
    await until(async () => (await blocked(url)) > 0)
    // The driver needs time to notice a slow read: until then, other reads are sent on the same lane and wait.
    await sleep(100)
    const reads = Array.from({ length: 200 }, () => divide.execute({ by: 2 }))
    t.ok((await Promise.all(reads)).every(([row]) => row?.quotient === 30))
    await other.query('commit')
    t.same(await locked, [])
  })

  t.test('there are no more connections than POOL_SIZE says', async (t) => {
    const work = Array.from({ length: 100 }, (_, index) => [
      divide.execute({ by: 1 }),
      insert.execute({ key: `many ${index}` }),
      database.transaction((db) => db.execute(sql`select 1`)),
    ])
    const rows = onServer(url, CONNECTIONS)
    await Promise.all(work.flat())
    const [{ n = 0 } = {}] = [...(await rows), ...(await onServer(url, CONNECTIONS))]
    t.ok(Number(n) <= POOL_SIZE, `${n}`)
  })

  t.test('a terminated connection rejects its statements, and a new connection replaces it', async (t) => {
    const sent = [pause.execute({ seconds: 5 }), divide.execute({ by: 1 })]
    await until(async () => (await onServer(url, SLEEPING)).length > 0)
    const outcomes = Promise.allSettled(sent)
    await onServer(
      url,
      "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()",
    )
    t.match((await outcomes)[0], { status: 'rejected', reason: { cause: { code: 'database_unavailable' } } })
    t.match(await divide.execute({ by: 2 }), [{ quotient: 30 }])
    await untilShared(() => divide.execute({ by: 1 }))
  })
})

const CONNECTIONS =
  "select count(*)::int as n from pg_stat_activity where application_name = 'latchkey' and datname = current_database()"
const SLEEPING = "select 1 from pg_stat_activity where query like '%pg_sleep%' and wait_event = 'PgSleep'"

function prepare({ db, tables: { throttle } }: Database) {
  const key = sql.placeholder('key')
  return {
    insert: db
      .insert(throttle)
      .values({ key: key as unknown as string, tries: 0, until: 0, updatedAt: 0 })
      .returning({ pid })
      .prepare('test_insert'),
    add: db
      .update(throttle)
      .set({ tries: sql`${throttle.tries} + 1` })
      .where(eq(throttle.key, key))
      .returning({ tries: throttle.tries, pid })
      .prepare('test_add'),
    divide: db
      .select({ quotient: sql<number>`60 / cast(${sql.placeholder('by')} as integer)`, pid })
      .from(sql`(select 1) as one`)
      .prepare('test_divide'),
    pause: db
      .select({ pid, slept: sql`pg_sleep(${sql.placeholder('seconds')})::text` })
      .from(sql`(select 1) as one`)
      .prepare('test_pause'),
  }
}

/** Waits until many concurrent statements are executed by the same one or two server processes. */
function untilShared(execute: () => PromiseLike<{ pid: number }[]>): Promise<number> {
  return until(async () => pidsOf(await Promise.allSettled(Array.from({ length: 20 }, execute))).size <= 2)
}

function pidsOf(outcomes: PromiseSettledResult<{ pid: number }[]>[]): Set<number | undefined> {
  return new Set(outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value[0]?.pid] : [])))
}

/** Another client with an open transaction. */
async function begin(t: Test, url: string, statement: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  await client.query(`begin; ${statement}`)
  return client
}

/** The number of statements that wait for a lock. */
async function blocked(url: string): Promise<number> {
  return (await onServer(url, "select 1 from pg_stat_activity where wait_event_type = 'Lock'")).length
}
