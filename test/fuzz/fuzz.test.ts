import { randomInt } from 'node:crypto'
import { like } from 'drizzle-orm'
import t from 'tap'
import { startService } from '../helper.js'
import { operationsOf } from '../support/operations.js'
import { fuzz } from './fuzz.js'
import { BEYOND_CHANCE } from './plans.js'

// Sends 3,000 requests from a constant seed; `npm run test:fuzz` sends 20,000 from a random seed. Both numbers can be
// set: FUZZ_SEED=7 FUZZ_REQUESTS=5000.

const isLong = process.argv.includes('--long')
const SEED = Number(process.env.FUZZ_SEED ?? (isLong ? randomInt(2 ** 31) : 1))
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? (isLong ? 20_000 : 3_000))
/**
 * How much the heap may grow in a run. Revoked sessions stay in memory while one of their tokens may be valid, and so
 * do up to 10,000 verified tokens. With 20,000 requests, a leak of one KiB per request exceeds this limit.
 */
const HEAP_MAY_GROW = 8 * 2 ** 20

// Most of the time goes to hashes, to fsyncs and to other load on the machine.
t.setTimeout(60_000 + REQUESTS * 60)

t.test(`${REQUESTS} requests from seed ${SEED} cause no 500, no leak and no undocumented response`, async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const { failures, statuses, succeeded, people, heap, sent } = await fuzz(service, SEED, REQUESTS)
  for (const { number, what, curl } of failures) {
    t.fail(what.slice(0, 1_000), { reproduce: `FUZZ_SEED=${SEED} FUZZ_REQUESTS=${number}` })
    t.comment(curl.slice(0, 5_000))
  }
  const missed = operationsOf(service).filter(({ id }) => !succeeded.has(id) && !BEYOND_CHANCE.has(id))
  t.comment(`never got through: ${missed.map(({ id }) => id).join(', ')}`)
  t.comment(`${sent} requests from seed ${SEED}: ${JSON.stringify(statuses)}`)
  if (failures.length > 0) return

  for (const document of [statuses.v1, statuses.compat]) {
    t.ok((document[200] ?? 0) > sent / 50, 'more than 2 % of the responses are 200')
    t.ok((document[400] ?? 0) > sent / 50, 'more than 2 % of the responses are 400')
  }
  if (sent >= 2_000) t.ok(missed.length <= 5, 'nearly every operation succeeded at least once')
  const growth = heap.late - heap.early
  t.ok(growth < HEAP_MAY_GROW, `the heap grew by ${(growth / 2 ** 20).toFixed(1)} MiB since a third of the requests`)

  const { db, tables } = service.app.database
  const { todos, tutorials } = tables
  let rows = 0
  for (const { rowMark, ids, name } of people.personas) {
    const found = [
      ...(await db
        .select({ userId: todos.userId })
        .from(todos)
        .where(like(todos.title, `${rowMark}%`))),
      ...(await db
        .select({ userId: tutorials.userId })
        .from(tutorials)
        .where(like(tutorials.name, `${rowMark}%`))),
    ]
    rows += found.length
    const others = found.filter(({ userId }) => !ids.has(userId))
    t.same(others, [], `every row that ${name} wrote belongs to ${name}`)
  }
  t.ok(rows > 0, 'there are rows to check')

  t.equal((await service.get('/livez')).statusCode, 200)
  const mina = await service.signUp('walker')
  const again = await service.logIn('walker')
  t.equal((await mina.post('/v1/todos', { title: 'Water the plants' })).statusCode, 201)
  t.equal((await again.get('/v1/todos')).json().items.length, 1)
})
