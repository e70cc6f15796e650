import { eq, like, ne } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { countBy, PASSWORD, Person, type Service, startService } from '../helper.js'
import { startSecond } from '../support/replica.js'

const TRIES = 10
const DAY_MS = 24 * 3_600_000
const WRONG = 'not the password'
const HOME = '198.51.100.7'
const AWAY = '192.0.2.9'
const STRANGER = '203.0.113.66'

t.test('failed log-ins of a stranger do not lock the owner out of networks with a recent log-in', async (t) => {
  const service = await startService(t)
  await lived(service, 'mina', HOME)
  t.strictSame(await guess(service, 'mina', STRANGER, 12), { 401: TRIES, 429: 2 })
  t.equal(await status(service, 'mina', HOME), 200)
  t.equal(await status(service, 'mina', AWAY), 429, 'the owner has to wait on an unknown network')
  // After each wait the attacker sends another wrong password, which renews the lock.
  for (let wait = 0; wait < 4; wait += 1) {
    await endWaits(service)
    t.strictSame(await guess(service, 'mina', STRANGER, 2), { 401: 1, 429: 1 })
    t.equal(await status(service, 'mina', HOME), 200)
  }
  await endWaits(service)
  t.equal(await status(service, 'mina', AWAY), 200)
  t.strictSame(await guess(service, 'mina', STRANGER, 12), { 401: TRIES, 429: 2 })
  t.equal(await status(service, 'mina', AWAY), 200, 'the log-in has made the network known')
})

t.test('strangers share one guessing budget over all networks, which log-ins of the owner do not reset', async (t) => {
  const service = await startService(t)
  await lived(service, 'mina', HOME)
  let looked = 0
  for (let network = 0; network < 15; network += 1) {
    looked += (await guess(service, 'mina', `203.0.113.${network}`, 2))[401] ?? 0
    t.equal(await status(service, 'mina', HOME), 200)
  }
  t.equal(looked, TRIES)
  await endWaits(service)
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => logIn(service, 'mina', `2001:db8:${n}::1`, WRONG)),
  )
  t.strictSame(
    countBy(answers, ({ statusCode }) => statusCode),
    { 401: 1, 429: 9 },
  )
})

t.test('each known network has a budget of its own, of the same size', async (t) => {
  const service = await startService(t)
  await lived(service, 'mina', HOME)
  await lived(service, 'mina', AWAY)
  t.strictSame(await guess(service, 'mina', HOME, 12), { 401: TRIES, 429: 2 })
  t.equal(await status(service, 'mina', HOME), 429, 'the known network has used up its budget')
  t.equal(await status(service, 'mina', AWAY), 200)
  t.equal(await status(service, 'mina', STRANGER), 200)
})

t.test('a known network is the /64 of an IPv6 address', async (t) => {
  const service = await startService(t)
  await lived(service, 'mina', '2001:db8:7::1')
  await guess(service, 'mina', STRANGER, TRIES)
  t.equal(await status(service, 'mina', '2001:db8:7::ffff:2'), 200)
  t.equal(await status(service, 'mina', '2001:db8:7:1::1'), 429)
})

t.test('an address that more than twenty accounts log in from is not treated as a known network', async (t) => {
  const service = await startService(t)
  const mina = await lived(service, 'mina', HOME)
  const { db, tables } = service.app.database
  const [known] = await db.select().from(tables.knownNetworks).where(eq(tables.knownNetworks.userId, mina.id))
  const { network = '', lastLoginAt = 0 } = known ?? {}
  await guess(service, 'mina', STRANGER, TRIES)
  for (let number = 1; number <= 20; number += 1) {
    t.equal(await status(service, 'mina', HOME), 200, `${number} accounts`)
    const now = Date.now()
    const [neighbour] = await db
      .insert(tables.users)
      .values({ username: `n${number}`, usernameKey: `n${number}`, passwordHash: '!', createdAt: now, updatedAt: now })
      .returning()
    await db.insert(tables.knownNetworks).values({ userId: neighbour?.id ?? 0, network, lastLoginAt })
  }
  t.equal(await status(service, 'mina', HOME), 429)
  await db
    .update(tables.knownNetworks)
    .set({ lastLoginAt: lastLoginAt - 31 * DAY_MS })
    .where(ne(tables.knownNetworks.userId, mina.id))
  t.equal(await status(service, 'mina', HOME), 200, 'accounts that last logged in 31 days ago do not count')
})

t.test('a network is known for thirty days, then forgotten and deleted', async (t) => {
  const service = await startService(t)
  const mina = await lived(service, 'mina', HOME)
  await guess(service, 'mina', STRANGER, TRIES)
  const { db, tables } = service.app.database
  const age = (days: number) => db.update(tables.knownNetworks).set({ lastLoginAt: Date.now() - days * DAY_MS })
  await age(29)
  await service.app.knownNetworks.prune()
  t.equal(await status(service, 'mina', HOME), 200)
  const [renewed] = await db.select().from(tables.knownNetworks).where(eq(tables.knownNetworks.userId, mina.id))
  t.ok(Date.now() - (renewed?.lastLoginAt ?? 0) < DAY_MS, 'each log-in renews the network')
  await age(31)
  t.equal(await status(service, 'mina', HOME), 429)
  await service.app.knownNetworks.prune()
  t.equal(await db.$count(tables.knownNetworks), 0)
})

t.test('a log-in at any endpoint, or a registration, makes the network known', async (t) => {
  const service = await startService(t)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const credentials = `username=mina&password=${encodeURIComponent(PASSWORD)}`
  const endpoints = [
    { url: '/v1/register', payload: { username: 'mina', password: PASSWORD } },
    { url: '/v1/login', payload: { username: 'mina', password: PASSWORD } },
    { url: '/v1/token', payload: `grant_type=password&${credentials}`, headers: form },
    { url: '/login/', payload: { username: 'mina', password: PASSWORD } },
    { url: '/login', payload: { username: 'mina', password: PASSWORD } },
    { url: '/api/user/login', payload: credentials, headers: form },
    { url: '/token', payload: credentials, headers: form },
  ]
  for (const [index, endpoint] of endpoints.entries()) {
    const answer = await service.app.inject({ method: 'POST', ...endpoint, remoteAddress: `198.51.100.${index}` })
    t.match(String(answer.statusCode), /^20[01]$/, endpoint.url)
  }
  await guess(service, 'mina', STRANGER, TRIES)
  for (const [index, endpoint] of endpoints.entries())
    t.equal(await status(service, 'mina', `198.51.100.${index}`), 200, endpoint.url)
})

t.test('failed log-ins of a stranger do not stop a live session from confirming the password', async (t) => {
  const { service, here, there } = await twoSessions(t)
  await guess(service, 'mina', STRANGER, TRIES + 1)
  await guess(service, 'mina', HOME, TRIES + 1)
  const answer = await here.patch('/v1/me', { email: 'mina@example.com', current_password: PASSWORD })
  t.equal(answer.statusCode, 200)
  t.equal((await there.post('/v1/me/delete', { current_password: PASSWORD })).statusCode, 204)
})

t.test('a session has ten tries to confirm the password, and does not lock log-ins or other sessions', async (t) => {
  const { service, here, there } = await twoSessions(t)
  const guesses = Array.from({ length: 15 }, () => there.patch('/v1/me', { email: null, current_password: WRONG }))
  t.strictSame(
    countBy(await Promise.all(guesses), ({ statusCode }) => statusCode),
    { 403: TRIES, 429: 5 },
  )
  const next = { current_password: PASSWORD, new_password: 'four louder lanterns' }
  t.equal((await there.post('/v1/me/password', next)).statusCode, 429)
  t.equal(await status(service, 'mina', HOME), 200)
  t.equal(await status(service, 'mina', AWAY), 200)
  t.equal((await here.post('/v1/me/password', next)).statusCode, 204)
})

t.test('a password change resets every budget of the account', async (t) => {
  const { service, here } = await twoSessions(t)
  await guess(service, 'mina', STRANGER, TRIES + 1)
  await guess(service, 'mina', HOME, TRIES + 1)
  const next = 'four louder lanterns'
  await here.post('/v1/me/password', { current_password: PASSWORD, new_password: next })
  for (const ip of [HOME, AWAY]) t.equal((await logIn(service, 'mina', ip, next)).statusCode, 200, ip)
})

// Otherwise one attacker in an office could lock out everybody who works there.
t.test('a network whose budget is used up still admits accounts that logged in from it recently', async (t) => {
  const service = await startService(t)
  await lived(service, 'mina', HOME)
  await lived(service, 'joon', AWAY)
  await logIn(service, 'nobody', HOME, WRONG)
  const { db, tables } = service.app.database
  await db
    .update(tables.throttle)
    .set({ tries: 100 })
    .where(eq(tables.throttle.key, `network:${HOME}`))
  t.equal(await status(service, 'joon', HOME), 429)
  t.equal(await status(service, 'mina', HOME), 200)
  t.strictSame(await guess(service, 'mina', HOME, 12), { 401: TRIES, 429: 2 })
})

t.test('replicas share known networks and budgets', async (t) => {
  const first = await startService(t)
  const second = await startSecond(t, first)
  await lived(first, 'mina', HOME)
  const everywhere = (ip: string) => async (times: number) =>
    Promise.all(Array.from({ length: times }, (_, n) => logIn(n % 2 ? first : second, 'mina', ip, WRONG)))
  t.equal(await looked(everywhere(STRANGER)), TRIES)
  t.equal(await status(second, 'mina', HOME), 200)
  t.equal(await looked(everywhere(HOME)), TRIES)
})

t.test('the budget of an IPv6 /48 is sixteen times that of a /64, not 65,536 times', async (t) => {
  const service = await startService(t)
  await logIn(service, 'nobody', '2001:db8:1::1', WRONG)
  const { db, tables } = service.app.database
  const networks = await db.select().from(tables.throttle).where(like(tables.throttle.key, 'network:%'))
  t.same(networks.map(({ key }) => key).sort(), [
    'network:2001:db8:1::/48',
    'network:2001:db8:1::/56',
    'network:2001:db8:1::/64',
  ])
  await db.update(tables.throttle).set({ tries: 1_598 }).where(eq(tables.throttle.key, 'network:2001:db8:1::/48'))
  const answers = []
  for (let n = 1; n <= 4; n += 1) answers.push(await logIn(service, `nobody-${n}`, `2001:db8:1:${n}00::1`, WRONG))
  t.same(
    answers.map(({ statusCode }) => statusCode),
    [401, 401, 429, 429],
  )
  t.equal((await logIn(service, 'nobody-5', '2001:db8:2::1', WRONG)).statusCode, 401)
  const refused = await db.select().from(tables.throttle).where(eq(tables.throttle.key, 'network:2001:db8:1:300::/64'))
  t.same(refused, [], 'a rejected log-in does not count against its /64')
})

/** Sends twenty guesses at once, then single guesses until one gets 429. Returns how many passwords were verified. */
async function looked(guesses: (times: number) => Promise<{ statusCode: number }[]>): Promise<number> {
  const all = await guesses(20)
  // A busy machine may answer 503, which does not count as a try.
  do all.push(...(await guesses(1)))
  while (all.at(-1)?.statusCode !== 429)
  return all.filter(({ statusCode }) => statusCode === 401).length
}

async function twoSessions(t: Test) {
  const service = await startService(t)
  const here = await lived(service, 'mina', HOME)
  return { service, here, there: await lived(service, 'mina', HOME) }
}

/** Registers a user and logs them in from this address. */
async function lived(service: Service, username: string, ip: string): Promise<Person> {
  const payload = { username, password: PASSWORD }
  await service.request({ method: 'POST', url: '/v1/register', remoteAddress: ip, payload })
  return new Person(service, (await logIn(service, username, ip)).json())
}

function logIn(service: Service, username: string, remoteAddress: string, password = PASSWORD) {
  return service.request({ method: 'POST', url: '/v1/login', remoteAddress, payload: { username, password } })
}

async function status(service: Service, username: string, ip: string): Promise<number> {
  return (await logIn(service, username, ip)).statusCode
}

/** Sends wrong passwords one after the other and counts the responses by status. */
async function guess(service: Service, username: string, ip: string, times: number): Promise<Record<string, number>> {
  const answers = []
  for (let time = 0; time < times; time += 1) answers.push(await logIn(service, username, ip, WRONG))
  return countBy(answers, ({ statusCode }) => statusCode)
}

/** Ends all waits, as if their time had passed. */
async function endWaits({ app }: Service): Promise<void> {
  const { db, tables } = app.database
  await db.update(tables.throttle).set({ until: 0 }).where(like(tables.throttle.key, 'account:%'))
}
