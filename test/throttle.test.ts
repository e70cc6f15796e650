import { eq } from 'drizzle-orm'
import type { Response } from 'light-my-request'
import t, { type Test } from 'tap'
import { countBy, PASSWORD, type Service, startService } from './helper.js'

const TRIES = 10
const SECOND_MS = 1_000
const DAY_MS = 24 * 3_600_000
const WRONG = 'not the password'

t.test('after ten wrong passwords an account waits, and the right one has to wait too', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await service.signUp('joon')
  t.strictSame(await statuses(service, 'mina', TRIES), { 401: TRIES })
  for (const password of [WRONG, PASSWORD]) {
    const response = await logIn(service, 'mina', password)
    assertWaits(t, response, 30)
    t.match(response.headers['content-type'], /^application\/problem\+json/)
    t.equal(response.json().code, 'too_many_attempts')
    t.notMatch(response.payload, /token"|"user"/)
  }
  t.equal((await logIn(service, 'joon')).statusCode, 200, 'nobody else waits')
  t.equal((await mina.get('/v1/me')).statusCode, 200, 'her session goes on')
  await endWait(service, `user:${mina.id}`)
  t.equal((await logIn(service, 'mina')).statusCode, 200)
})

t.test('the wait doubles with each wrong password, to a quarter of an hour', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const account = `user:${mina.id}`
  await statuses(service, 'mina', TRIES)
  for (const seconds of [30, 60, 120, 240, 480, 900, 900, 900]) {
    const row = await rowOf(service, account)
    t.equal(row.until - row.updatedAt, seconds * SECOND_MS)
    assertWaits(t, await logIn(service, 'mina'), seconds)
    t.strictSame(await rowOf(service, account), row, 'asking during the wait makes it no longer')
    await endWait(service, account)
    t.equal((await logIn(service, 'mina', WRONG)).statusCode, 401, 'one try after each wait')
  }
  await endWait(service, account)
  t.equal((await logIn(service, 'mina')).statusCode, 200)
})

t.test('a right password makes the budget whole again', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (let round = 0; round < 3; round += 1) {
    t.strictSame(await statuses(service, 'mina', TRIES - 1), { 401: TRIES - 1 })
    t.equal((await logIn(service, 'mina')).statusCode, 200)
    t.equal((await rowsOf(service, `user:${mina.id}`)).length, 0)
  }
  t.strictSame(await statuses(service, 'mina', TRIES + 1), { 401: TRIES, 429: 1 })
})

t.test('an account that nobody tried for a day starts anew', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const account = `user:${mina.id}`
  await statuses(service, 'mina', TRIES)
  const { db, tables } = service.app.database
  const yesterday = Date.now() - DAY_MS - SECOND_MS
  await db
    .update(tables.throttle)
    .set({ until: yesterday, updatedAt: yesterday })
    .where(eq(tables.throttle.key, account))
  t.strictSame(await statuses(service, 'mina', TRIES + 1), { 401: TRIES, 429: 1 })
  const row = await rowOf(service, account)
  t.equal(row.until - row.updatedAt, 30 * SECOND_MS)
})

t.test('all doors and all names of an account share one budget', async (t) => {
  const service = await startService(t)
  await service.post('/v1/register', { username: 'Mina', email: 'mina@example.com', password: PASSWORD })
  const doors = [
    () => logIn(service, 'Mina', WRONG),
    () => logIn(service, 'ＭＩＮＡ', WRONG),
    () => logIn(service, 'mina@example.com', WRONG),
    () => askToken(service, 'mina', WRONG),
    () => askToken(service, 'MINA@EXAMPLE.COM', WRONG),
  ]
  for (const door of [...doors, ...doors]) t.match(String((await door()).statusCode), /^40[01]$/)
  for (const username of ['mina', 'Mina@Example.com']) {
    assertWaits(t, await logIn(service, username), 30)
    const form = await askToken(service, username, PASSWORD)
    assertWaits(t, form, 30)
    t.match(form.headers['content-type'], /^application\/json/)
    t.equal(form.json().error, 'slow_down')
  }
  t.equal((await rowsOf(service)).length, 2, 'one row for the account, one for the network')
})

t.test('somebody unknown waits like somebody known', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '127.0.0.1' })
  await service.signUp('mina')
  const answers = new Set<string>()
  for (const username of ['mina', 'nobody', 'nobody@example.com']) {
    t.strictSame(await statuses(service, username, TRIES), { 401: TRIES })
    const response = await logIn(service, username.toUpperCase(), WRONG, { 'x-request-id': 'the-same-request' })
    assertWaits(t, response, 30)
    const { date, 'retry-after': seconds, ...headers } = response.headers
    t.ok(date && seconds)
    answers.add(JSON.stringify([headers, response.payload]))
  }
  t.equal(answers.size, 1)
})

// A budget that the right password made whole would tell which accounts are disabled, and that it was right.
t.test('the right password of somebody disabled is a failed try', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ isActive: false }).where(eq(tables.users.id, mina.id))
  for (let time = 0; time < TRIES; time += 1) t.equal((await logIn(service, 'mina')).statusCode, 401)
  assertWaits(t, await logIn(service, 'mina'), 30)
  t.match(await rowsOf(service, 'network:127.0.0.1'), [{ tries: TRIES }])
})

t.test('of many guesses at the same moment no more than the budget is looked at', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (const username of ['mina', 'nobody']) {
    const guesses = Array.from({ length: 20 }, (_, index) =>
      index % 2 ? logIn(service, username, `${WRONG} ${index}`) : askToken(service, username, `${WRONG} ${index}`),
    )
    const answers = await Promise.all(guesses)
    t.strictSame(
      countBy(answers, ({ statusCode }) => (statusCode === 429 ? 'waits' : 'wrong')),
      { wrong: TRIES, waits: TRIES },
      username,
    )
  }
})

t.test('a log-in that is refused for its shape costs no try', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (let times = 0; times < TRIES + 1; times += 1) {
    t.equal((await logIn(service, 'mina', 'three\0quiet')).statusCode, 400)
    t.equal((await logIn(service, 'mina', '')).statusCode, 400)
  }
  t.equal((await rowsOf(service)).length, 0)
})

t.test('what throttles nobody any more is deleted', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  await logIn(service, 'mina', WRONG)
  await logIn(service, 'nobody', WRONG)
  await service.app.throttle.prune()
  t.equal((await rowsOf(service)).length, 3)
  const { db, tables } = service.app.database
  const yesterday = Date.now() - DAY_MS - SECOND_MS
  await db.update(tables.throttle).set({ until: yesterday, updatedAt: yesterday })
  await logIn(service, 'joon', WRONG)
  await service.app.throttle.prune()
  t.strictSame((await rowsOf(service)).map(({ key }) => key).sort(), ['name:joon', 'network:127.0.0.1'])
})

t.test('the throttle can be switched off', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  await service.signUp('mina')
  t.strictSame(await statuses(service, 'mina', TRIES + 2), { 401: TRIES + 2 })
  t.equal((await logIn(service, 'mina')).statusCode, 200)
  t.equal((await rowsOf(service)).length, 0)
})

function logIn(service: Service, username: string, password = PASSWORD, headers: Record<string, string> = {}) {
  return service.post('/v1/login', { username, password }, headers)
}

function askToken(service: Service, username: string, password: string) {
  const form = new URLSearchParams({ grant_type: 'password', username, password }).toString()
  return service.post('/v1/token', form, { 'content-type': 'application/x-www-form-urlencoded' })
}

/** How many wrong passwords, one after the other, got which status. */
async function statuses(service: Service, username: string, times: number): Promise<Record<string, number>> {
  const answers: Response[] = []
  for (let time = 0; time < times; time += 1) answers.push(await logIn(service, username, WRONG))
  return countBy(answers, ({ statusCode }) => statusCode)
}

function assertWaits(t: Test, response: Response, seconds: number): void {
  t.equal(response.statusCode, 429)
  const retryAfter = String(response.headers['retry-after'])
  t.match(retryAfter, /^\d+$/)
  t.ok(Number(retryAfter) <= seconds && Number(retryAfter) > seconds - 10, `${retryAfter} of ${seconds} s`)
}

async function rowsOf(service: Service, key?: string) {
  const { db, tables } = service.app.database
  return db
    .select()
    .from(tables.throttle)
    .where(key === undefined ? undefined : eq(tables.throttle.key, key))
}

async function rowOf(service: Service, key: string) {
  const [row] = await rowsOf(service, key)
  if (row === undefined) throw new Error(`There is no ${key}`)
  return row
}

/** As if the time had passed. */
async function endWait(service: Service, key: string): Promise<void> {
  const { db, tables } = service.app.database
  await db.update(tables.throttle).set({ until: 0 }).where(eq(tables.throttle.key, key))
}
