// On SQLite alone: budgets are kept in memory.

import t from 'tap'
import { RateLimit } from '../../src/http/rate-limit.js'
import { claimsOf, PASSWORD, Person, type Service, startService } from '../helper.js'

const LIMIT = 3
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const HERE = '203.0.113.9'
const ELSEWHERE = '203.0.113.10'

interface Endpoint {
  url: string
  payload: string | object
  headers?: Record<string, string>
}

const LOGIN: Endpoint = { url: '/v1/login', payload: { username: 'nobody', password: PASSWORD } }
const REFRESH: Endpoint = { url: '/v1/refresh', payload: { refresh_token: 'garbage' } }
const REFRESH_GRANT: Endpoint = { url: '/v1/token', payload: grant('refresh_token', 'garbage'), headers: FORM }
/** Every public endpoint that looks up a credential or creates an account. */
const ENDPOINTS: Endpoint[] = [
  LOGIN,
  { url: '/v1/register', payload: { username: 'admin', password: PASSWORD } },
  { url: '/v1/token', payload: 'grant_type=password&username=nobody&password=wrong', headers: FORM },
  { url: '/v1/token', payload: 'grant_type=unknown', headers: FORM },
  { url: '/v1/password-reset', payload: { token: 'garbage', new_password: PASSWORD } },
  { url: '/login/', payload: { username: 'nobody', password: PASSWORD } },
  { url: '/login', payload: { email: 'nobody@example.com', password: PASSWORD } },
  { url: '/register', payload: {} },
  { url: '/api/user/login', payload: 'username=nobody&password=wrong', headers: FORM },
  { url: '/token', payload: 'username=nobody&password=wrong', headers: FORM },
  { url: '/users/add_user/', payload: {} },
]

t.test('all public endpoints together answer a network sixty times a minute', async (t) => {
  const service = await startService(t, { RATE_LIMIT: '60', LOGIN_THROTTLE: 'off' })
  for (let count = 0; count < 60; count += 1) {
    const endpoint = ENDPOINTS[count % ENDPOINTS.length] ?? LOGIN
    const answer = await send(service, endpoint)
    if (answer.statusCode === 429) t.fail(`${endpoint.url} after ${count}`)
    t.match(answer.headers, { 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': String(59 - count) })
  }
  for (const endpoint of ENDPOINTS) {
    const refused = await send(service, endpoint)
    t.equal(refused.statusCode, 429, endpoint.url)
    t.equal(refused.headers['cache-control'], 'no-store')
    const retryAfter = String(refused.headers['retry-after'])
    t.match(retryAfter, /^\d+$/)
    t.ok(Number(retryAfter) > 0 && Number(retryAfter) <= 60, retryAfter)
    if (endpoint.url === '/v1/token') t.equal(refused.json().error, 'slow_down')
    else if (endpoint.url.startsWith('/v1')) t.match(refused.json(), { status: 429, code: 'rate_limited' })
    t.not((await send(service, endpoint, ELSEWHERE)).statusCode, 429, 'other networks are not limited')
  }
})

t.test('a budget is renewed after a minute', async (t) => {
  let now = 5_000
  const limit = new RateLimit(() => now)
  const take = () => limit.take([{ key: 'network:192.0.2.1', max: 2 }])
  t.match(
    [take(), take(), take()],
    [{ remaining: 1 }, { remaining: 0, isRefused: false }, { isRefused: true, resetS: 60 }],
  )
  now += 59_001
  t.match(take(), { isRefused: true, resetS: 1 })
  now += 999
  t.match(take(), { isRefused: false, remaining: 1, resetS: 60 })
})

// If the table evicted the least recently used entry, an attacker with enough networks could reset a budget.
t.test('after 100,000 other networks, none of them limited, an exhausted budget is still exhausted', async (t) => {
  const limit = new RateLimit()
  const take = (key: string) => limit.take([{ key, max: LIMIT }]).isRefused
  for (let count = 0; count < LIMIT; count += 1) t.notOk(take('the guesser'))
  let refused = 0
  for (let other = 0; other < 100_000; other += 1) if (take(`network:${other}`)) refused += 1
  t.ok(take('the guesser'))
  t.equal(refused, 0)
})

t.test('an IPv6 /64 shares a budget, and its /56 and /48 have four and sixteen times as much', async (t) => {
  const service = await startService(t, { RATE_LIMIT: String(LIMIT), LOGIN_THROTTLE: 'off' })
  const knock = async (address: string) => (await send(service, LOGIN, address)).statusCode
  for (let host = 1; host <= LIMIT; host += 1) t.equal(await knock(`2001:db8::${host}`), 401)
  t.equal(await knock('2001:db8::ffff:1'), 429)
  // Rejected requests of a /64 do not count against the networks around it.
  for (let count = 0; count < LIMIT * 16; count += 1) await knock('2001:db8::1')
  const passed = async (addresses: string[]) => {
    let count = 0
    for (const address of addresses) if ((await knock(address)) === 401) count += 1
    return count
  }
  const inThisPart = Array.from({ length: LIMIT * 5 }, (_, n) => `2001:db8:0:${(n + 1).toString(16)}::1`)
  t.equal(await passed(inThisPart), LIMIT * 3, 'the /56 holds four times as much')
  const inOtherParts = Array.from({ length: LIMIT * 16 }, (_, n) => `2001:db8:0:${(0x100 * (n + 1)).toString(16)}::1`)
  t.equal(await passed(inOtherParts), LIMIT * 12, 'the /48 holds sixteen times as much')
  t.equal(await knock('2001:db8:1::1'), 401, 'the next /48 has its own')
})

t.test(
  'invalid refresh tokens have a budget of their own, so that valid refreshes and log-ins are not limited',
  async (t) => {
    const service = await startService(t, { RATE_LIMIT: String(LIMIT) })
    await service.post('/v1/register', { username: 'mina', password: PASSWORD })
    const mina = await logIn(service, 'mina')
    const forged = mina.login.refresh_token.slice(0, -2) + (mina.login.refresh_token.endsWith('AA') ? 'BB' : 'AA')
    const junk = [REFRESH, REFRESH_GRANT, { url: '/v1/refresh', payload: { refresh_token: forged } }]
    for (const endpoint of junk) t.equal((await send(service, endpoint)).statusCode, 400)
    for (const endpoint of junk) t.equal((await send(service, endpoint)).statusCode, 429)
    t.equal((await send(service, REFRESH, ELSEWHERE)).statusCode, 400, 'other networks are not limited')
    t.equal((await refresh(service, mina)).statusCode, 200)
    t.equal((await send(service, LOGIN)).statusCode, 401)
  },
)

t.test('refreshes are limited by session, so that many sessions behind one address are served', async (t) => {
  const service = await startService(t, { RATE_LIMIT: String(LIMIT), LOGIN_THROTTLE: 'off' })
  await service.post('/v1/register', { username: 'mina', password: PASSWORD })
  const people: Person[] = []
  for (let n = 0; n < LIMIT * 4; n += 1) people.push(await logIn(service, 'mina', `198.51.100.${n}`))
  for (const person of people) t.equal((await refresh(service, person)).statusCode, 200)
  const [one, two] = people as [Person, Person]
  for (let count = 1; count < LIMIT; count += 1) t.equal((await refresh(service, one)).statusCode, 200)
  for (const endpoint of [refresh, refreshGrant]) t.equal((await endpoint(service, one)).statusCode, 429)
  t.equal((await refreshGrant(service, two)).statusCode, 200)
  const again = await refresh(service, two)
  t.equal(claimsOf(again.json().access_token).sub, String(two.id))
})

// Attack: the budget of an attacker's own refresh token would allow sixty more guesses.
t.test('a refresh token in a password grant does not change the budget that the grant takes from', async (t) => {
  const service = await startService(t, { RATE_LIMIT: String(LIMIT), LOGIN_THROTTLE: 'off' })
  await service.post('/v1/register', { username: 'mina', password: PASSWORD })
  const { login } = await logIn(service, 'mina', ELSEWHERE)
  const payload = `grant_type=password&username=nobody&password=wrong&refresh_token=${login.refresh_token}`
  for (let count = 0; count < LIMIT; count += 1) await send(service, LOGIN)
  t.equal((await send(service, { url: '/v1/token', payload, headers: FORM })).statusCode, 429)
})

// Services with high traffic call from one address.
t.test('other endpoints are not limited and take nothing from the budget', async (t) => {
  const service = await startService(t, { RATE_LIMIT: String(LIMIT) })
  const mina = await service.signUp('mina')
  const others = [
    () => mina.get('/v1/verify'),
    () => mina.get('/v1/todos'),
    () => mina.post('/v1/todos', { title: 'Water the plants' }),
    () => service.get('/livez'),
    () => service.get('/.well-known/jwks.json'),
    () => service.get('/v1/me'),
    () => service.get('/nowhere'),
    () => mina.post('/v1/logout'),
  ]
  for (const other of others) {
    for (let count = 0; count < LIMIT * 3; count += 1) {
      const { statusCode } = await other()
      if (statusCode === 429) t.fail('limited', { other: String(other) })
    }
  }
  t.equal((await send(service, { url: '/v1/login', payload: {} })).statusCode, 400, 'no other request counted')
})

t.test('the limit can be switched off', async (t) => {
  const service = await startService(t, { RATE_LIMIT: 'off' })
  for (const endpoint of [...ENDPOINTS.slice(3, 5), REFRESH, REFRESH_GRANT]) {
    for (let count = 0; count < 70; count += 1) {
      if ((await send(service, endpoint)).statusCode === 429) t.fail(endpoint.url)
    }
    t.pass(endpoint.url)
  }
})

function send(service: Service, { url, payload, headers = {} }: Endpoint, remoteAddress = HERE) {
  const request = { method: 'POST', url, payload, headers, remoteAddress } as const
  // The tutorials have their own OpenAPI document, which test/compat checks.
  return url.startsWith('/v1') ? service.request(request) : service.app.inject(request)
}

async function logIn(service: Service, username: string, remoteAddress = HERE): Promise<Person> {
  const endpoint = { url: '/v1/login', payload: { username, password: PASSWORD } }
  return new Person(service, (await send(service, endpoint, remoteAddress)).json())
}

async function refresh(service: Service, person: Person) {
  return remember(
    person,
    await send(service, { url: '/v1/refresh', payload: { refresh_token: person.login.refresh_token } }),
  )
}

async function refreshGrant(service: Service, person: Person) {
  const payload = grant('refresh_token', person.login.refresh_token)
  return remember(person, await send(service, { url: '/v1/token', payload, headers: FORM }))
}

function remember(person: Person, answer: Awaited<ReturnType<typeof send>>) {
  if (answer.statusCode === 200) Object.assign(person.login, answer.json())
  return answer
}

function grant(type: string, token: string): string {
  return `grant_type=${type}&refresh_token=${token}`
}
