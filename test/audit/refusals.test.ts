import t from 'tap'
import type { Events } from '../../src/audit/events.js'
import { Refusals } from '../../src/audit/refusals.js'
import { PASSWORD, type Person, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'
import { until } from '../support/replica.js'

t.setTimeout(120_000)

const WRONG = 'not the right one'

interface Logged {
  type: string
  user_id: number | null
  actor_id: number | null
  session_id: string | null
  ip: string | null
  reason: string | null
}

/** The events of a type, once there are at least as many as expected. */
async function eventsOf(boss: Person, type: string, expected: number): Promise<Logged[]> {
  let items: Logged[] = []
  await until(async () => {
    items = (await boss.get(`/v1/events?type=${type}&limit=100`)).json().items
    return items.length >= expected
  })
  return items
}

t.test('throttled log-ins are recorded once for each name, however many there are', async (t) => {
  const service = await startService(t)
  const [boss, mina] = [await signUpAdmin(service, 'boss'), await service.signUp('mina')]
  const tryAs = (username: string) => service.post('/v1/login', { username, password: WRONG })
  for (const username of ['mina', 'nobody.here']) {
    for (let n = 0; n < 10; n += 1) t.equal((await tryAs(username)).statusCode, 401)
    for (let n = 0; n < 25; n += 1) t.equal((await tryAs(username)).statusCode, 429)
  }
  const events = await eventsOf(boss, 'login.throttled', 2)
  t.match(events, [
    { user_id: null, actor_id: null, reason: 'account', ip: '127.0.0.1' },
    { user_id: mina.id, actor_id: null, reason: 'account', ip: '127.0.0.1' },
  ])
  t.equal(events.length, 2)
  t.equal((await eventsOf(boss, 'login.failed', 20)).length, 20, 'throttled log-ins are not recorded as failed')
})

t.test('the throttling of a network is recorded once, over all names', async (t) => {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  let refused = 0
  for (let n = 0; n < 115; n += 1) {
    const { statusCode } = await service.post('/v1/login', { username: `nobody.${n}`, password: WRONG })
    if (statusCode === 429) refused += 1
  }
  t.equal(refused, 15)
  const events = await eventsOf(boss, 'login.throttled', 1)
  t.match(events, [{ user_id: null, reason: 'network' }])
  t.equal(events.length, 1)
})

t.test('a network or an account over its rate limit is in the audit log once', async (t) => {
  const service = await startService(t, { RATE_LIMIT: '5' })
  const mina = await service.signUp('mina')
  const boss = await signUpAdmin(service, 'boss')
  for (let n = 0; n < 12; n += 1) await mina.patch('/v1/me', { name: `Mina ${n}` })
  for (let n = 0; n < 12; n += 1) await service.post('/v1/login', {})
  const events = await eventsOf(boss, 'requests.limited', 2)
  t.match(events, [
    { user_id: null, actor_id: null, reason: 'POST /v1/login', ip: '127.0.0.1' },
    { user_id: mina.id, actor_id: mina.id, reason: 'PATCH /v1/me' },
  ])
  t.equal(events.length, 2)
})

t.test('a user without the admin role is recorded once for each admin operation tried', async (t) => {
  const service = await startService(t)
  const [boss, mina, joon] = [
    await signUpAdmin(service, 'boss'),
    await service.signUp('mina'),
    await service.signUp('joon'),
  ]
  for (let n = 0; n < 20; n += 1) {
    t.equal((await mina.get('/v1/users')).statusCode, 403)
    t.equal((await mina.delete(`/v1/users/${joon.id}`)).statusCode, 403)
    t.equal((await mina.delete(`/v1/users/${1_000 + n}`)).statusCode, 403)
  }
  t.equal((await joon.get('/v1/events')).statusCode, 403)
  const events = await eventsOf(boss, 'access.refused', 3)
  // The events are written independently of the responses, over several connections, so their order varies.
  const inOrder = events.sort((one, other) => (`${one.reason}` < `${other.reason}` ? -1 : 1))
  t.match(inOrder, [
    { user_id: mina.id, actor_id: mina.id, reason: 'DELETE /v1/users/:id' },
    { user_id: joon.id, actor_id: joon.id, reason: 'GET /v1/events' },
    { user_id: mina.id, actor_id: mina.id, reason: 'GET /v1/users' },
  ])
  t.equal(events.length, 3)
  t.ok(events.every(({ session_id }) => session_id !== null))
})

t.test('the event of a log-in names its endpoint and the kind of credential', async (t) => {
  const service = await startService(t)
  const [boss, mina] = [await signUpAdmin(service, 'boss'), await service.signUp('mina')]
  const credentials = { username: 'mina', password: PASSWORD }
  const form = new URLSearchParams({ ...credentials, grant_type: 'password' })
  const endpoints: [string, object | string][] = [
    ['/v1/login', credentials],
    ['/v1/token', String(form)],
    ['/token', String(form)],
    ['/login', credentials],
    ['/login/', credentials],
    ['/api/user/login', String(form)],
  ]
  for (const [url, payload] of endpoints) {
    const type = typeof payload === 'string' ? 'application/x-www-form-urlencoded' : 'application/json'
    const answer = await service.app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } })
    t.equal(answer.statusCode, 200, `${url}: ${answer.payload}`)
  }
  const { items } = (await boss.get(`/v1/events?type=login.succeeded&user_id=${mina.id}`)).json()
  t.same(
    items.map(({ reason }: Logged) => reason).reverse(),
    endpoints.map(([url]) => `password at POST ${url}`),
  )
})

t.test(
  'a process records one refusal of each client and at most 500 of each type an hour, with a notice',
  async (t) => {
    const recorded: unknown[] = []
    const notices: string[] = []
    let now = 0
    const events = { record: async (event: unknown) => void recorded.push(event) } as unknown as Events
    const refusals = new Refusals({ events, onLost: (notice) => notices.push(notice), now: () => now })
    const note = (whom: string, type: 'login.throttled' | 'access.refused') =>
      refusals.note(whom, { type, userId: null }, { ip: '192.0.2.7' })
    for (let n = 0; n < 2_000; n += 1) note(`network:${n}`, 'login.throttled')
    t.equal(recorded.length, 500)
    t.match(notices, [/too many login\.throttled events/])
    note('user:1', 'access.refused')
    t.equal(recorded.length, 501, 'another event type has a limit of its own')
    now += 3_600_000
    for (let n = 0; n < 3; n += 1) note('network:0', 'login.throttled')
    t.equal(recorded.length, 502)
  },
)
