import { like } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { countBy, PASSWORD, type Service, startService } from '../helper.js'

const TRIES = 10
const SECOND_MS = 1_000
const DAY_MS = 24 * 3_600_000
const QUARTER_S = 900
const HOUR_S = 3_600
const WRONG = 'not the password'

t.test('after ten wrong passwords an account is locked, for the right password too', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await service.signUp('joon')
  t.strictSame(await statuses(service, 'mina', TRIES), { 401: TRIES })
  for (const password of [WRONG, PASSWORD]) {
    const response = await logIn(service, 'mina', password)
    assertWaits(t, response)
    t.match(response.headers['content-type'], /^application\/problem\+json/)
    t.equal(response.json().code, 'too_many_attempts')
    t.notMatch(response.payload, /token"|"user"/)
  }
  t.equal((await logIn(service, 'joon')).statusCode, 200, 'other accounts are not locked')
  t.equal((await mina.get('/v1/me')).statusCode, 200, 'a live session stays valid')
  await endWaits(service)
  t.equal((await logIn(service, 'mina')).statusCode, 200)
})

t.test('the wait doubles with each wrong password, to a quarter of an hour', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  await statuses(service, 'mina', TRIES)
  for (const seconds of [30, 60, 120, 240, 480, 900, 900, 900]) {
    const row = await accountRow(service)
    t.equal(row.until - row.updatedAt, seconds * SECOND_MS)
    // Not the remaining seconds: they would tell an attacker when to send the next try.
    assertWaits(t, await logIn(service, 'mina'), QUARTER_S)
    t.strictSame(await accountRow(service), row, 'a try during the wait does not extend the wait')
    await endWaits(service)
    t.equal((await logIn(service, 'mina', WRONG)).statusCode, 401, 'one try after each wait')
  }
  await endWaits(service)
  t.equal((await logIn(service, 'mina')).statusCode, 200)
})

t.test('after a hundred wrong passwords in a row there is one try an hour', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  await statuses(service, 'mina', 1)
  await changeRows(service, { tries: 98 })
  for (const [tries, seconds] of [
    [99, QUARTER_S],
    [100, HOUR_S],
    [101, HOUR_S],
  ] as const) {
    t.equal((await logIn(service, 'mina', WRONG)).statusCode, 401)
    const row = await accountRow(service)
    t.match(row, { tries, until: row.updatedAt + seconds * SECOND_MS })
    assertWaits(t, await logIn(service, 'mina'), seconds)
    await endWaits(service)
  }
  t.equal((await logIn(service, 'mina')).statusCode, 200, 'after the wait the right password works')
  t.strictSame(await statuses(service, 'mina', TRIES + 1), { 401: TRIES, 429: 1 })
})

t.test('the right password resets the budget', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (let round = 0; round < 3; round += 1) {
    t.strictSame(await statuses(service, 'mina', TRIES - 1), { 401: TRIES - 1 })
    t.equal((await logIn(service, 'mina')).statusCode, 200)
    t.equal((await accountRows(service)).length, 0)
  }
  t.strictSame(await statuses(service, 'mina', TRIES + 1), { 401: TRIES, 429: 1 })
})

t.test('the count of wrong passwords is forgotten after a day, and from thirty on after thirty days', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (const [tries, days, isForgotten] of [
    [29, 1, true],
    [30, 1, false],
    [99, 29, false],
    [99, 30, true],
  ] as const) {
    await statuses(service, 'mina', 1)
    const before = Date.now() - days * DAY_MS - SECOND_MS
    await changeRows(service, { tries, until: before, updatedAt: before })
    t.equal((await logIn(service, 'mina', WRONG)).statusCode, 401)
    t.equal((await accountRow(service)).tries, isForgotten ? 1 : tries + 1, `${tries} tries, ${days} days`)
    await changeRows(service, { until: before, updatedAt: before })
    await service.app.throttle.prune()
    t.equal((await accountRows(service)).length, isForgotten || tries + 1 < 30 ? 0 : days >= 30 ? 0 : 1)
    await service.app.database.db.delete(service.app.database.tables.throttle)
  }
})

t.test('all endpoints and all names of an account share one budget', async (t) => {
  const service = await startService(t)
  await service.post('/v1/register', { username: 'Mina', email: 'mina@example.com', password: PASSWORD })
  const endpoints = [
    () => logIn(service, 'Mina', WRONG),
    () => logIn(service, 'ＭＩＮＡ', WRONG),
    () => logIn(service, 'mina@example.com', WRONG),
    () => askToken(service, 'mina', WRONG),
    () => askToken(service, 'MINA@EXAMPLE.COM', WRONG),
  ]
  for (const endpoint of [...endpoints, ...endpoints]) t.match(String((await endpoint()).statusCode), /^40[01]$/)
  for (const username of ['mina', 'Mina@Example.com']) {
    assertWaits(t, await logIn(service, username))
    const form = await askToken(service, username, PASSWORD)
    assertWaits(t, form)
    t.match(form.headers['content-type'], /^application\/json/)
    t.equal(form.json().error, 'slow_down')
  }
  t.equal((await accountRows(service)).length, 1)
})

// If the right password reset the budget, the response would reveal that the password was right and the account
// disabled.
t.test('the right password of a disabled account counts as a failed try', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ isActive: false })
  for (let time = 0; time < TRIES; time += 1) t.equal((await logIn(service, 'mina')).statusCode, 401)
  assertWaits(t, await logIn(service, 'mina'))
})

t.test('of many simultaneous guesses, no more passwords are checked than the budget allows', async (t) => {
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

t.test('a log-in that does not match the schema does not count as a failed try', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (let times = 0; times < TRIES + 1; times += 1) {
    t.equal((await logIn(service, 'mina', 'three\0quiet')).statusCode, 400)
    t.equal((await logIn(service, 'mina', '')).statusCode, 400)
  }
  t.equal((await rowsOf(service, '%')).length, 0)
})

t.test('throttle rows that no longer have an effect are deleted', async (t) => {
  const service = await startService(t)
  await logIn(service, 'mina', WRONG)
  await logIn(service, 'nobody', WRONG)
  await service.app.throttle.prune()
  t.equal((await rowsOf(service, '%')).length, 3)
  const yesterday = Date.now() - DAY_MS - SECOND_MS
  // The row of a network that used up its budget is deleted as early as any other.
  await changeRows(service, { tries: 100, until: yesterday, updatedAt: yesterday }, 'network:%')
  await changeRows(service, { until: yesterday, updatedAt: yesterday })
  await logIn(service, 'joon', WRONG, '203.0.113.10')
  await service.app.throttle.prune()
  t.same((await rowsOf(service, 'network:%')).map(({ key }) => key).sort(), ['network:203.0.113.10'])
  t.equal((await accountRows(service)).length, 1)
})

// Users sometimes type their password into the field for the name.
t.test('a name typed at a failed log-in is not stored in plain text', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const typed = ['three-quiet-lanterns', 'private.person@example.com', 'mina']
  for (const name of typed) {
    await logIn(service, name, WRONG)
    await logIn(service, name, WRONG, '203.0.113.9')
    await askToken(service, name, WRONG)
    await service.app.inject({ method: 'POST', url: '/login', payload: { username: name, password: WRONG } })
  }
  const rows = await accountRows(service)
  t.equal(rows.length, typed.length + 1, 'each name has one budget, and mina has another on her known network')
  for (const { key } of rows) t.match(key, /^account:[\w-]{43}$/)
  const { db, tables } = service.app.database
  for (const table of [tables.throttle, tables.knownNetworks, tables.events]) {
    t.notMatch(JSON.stringify(await db.select().from(table)), /lanterns|private|person|mina/)
  }
  t.notMatch(JSON.stringify(await db.select().from(tables.knownNetworks)), /127\.0\.0\.1/)
})

t.test('the throttle can be switched off', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  await service.signUp('mina')
  t.strictSame(await statuses(service, 'mina', TRIES + 2), { 401: TRIES + 2 })
  t.equal((await logIn(service, 'mina')).statusCode, 200)
  t.equal((await rowsOf(service, '%')).length, 0)
})

function logIn(service: Service, username: string, password = PASSWORD, remoteAddress = '127.0.0.1') {
  return service.request({ method: 'POST', url: '/v1/login', remoteAddress, payload: { username, password } })
}

function askToken(service: Service, username: string, password: string) {
  const form = new URLSearchParams({ grant_type: 'password', username, password }).toString()
  return service.post('/v1/token', form, { 'content-type': 'application/x-www-form-urlencoded' })
}

/** Sends wrong passwords one after the other and counts the responses by status. */
async function statuses(service: Service, username: string, times: number): Promise<Record<string, number>> {
  const answers: Response[] = []
  for (let time = 0; time < times; time += 1) answers.push(await logIn(service, username, WRONG))
  return countBy(answers, ({ statusCode }) => statusCode)
}

function assertWaits(t: Test, response: Response, seconds = QUARTER_S): void {
  t.match(response, { statusCode: 429, headers: { 'retry-after': String(seconds) } })
}

function rowsOf({ app }: Service, key: string) {
  const { db, tables } = app.database
  return db.select().from(tables.throttle).where(like(tables.throttle.key, key))
}

const accountRows = (service: Service) => rowsOf(service, 'account:%')

async function accountRow(service: Service) {
  const [row, ...others] = await accountRows(service)
  if (row === undefined || others.length > 0) throw new Error('There is not one budget of an account')
  return row
}

/** Changes throttle rows as if time had passed or more passwords had been tried. */
async function changeRows(
  { app }: Service,
  change: { tries?: number; until?: number; updatedAt?: number },
  key = 'account:%',
): Promise<void> {
  const { db, tables } = app.database
  await db.update(tables.throttle).set(change).where(like(tables.throttle.key, key))
}

/** Ends all waits, as if their time had passed. */
const endWaits = (service: Service) => changeRows(service, { until: 0 })
