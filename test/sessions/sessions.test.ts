import { setTimeout as sleep } from 'node:timers/promises'
import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { claimsOf, PASSWORD, Person, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus } from '../support/people.js'

interface Session {
  id: string
  created_at: string
  last_used_at: string
  ip: string
  user_agent: string | null
  current: boolean
}

const HOUR_MS = 3_600_000
const FIELDS = ['created_at', 'current', 'id', 'ip', 'last_used_at', 'user_agent']

t.test('the list contains your own live sessions, the newest first, and marks the current session', async (t) => {
  const { service, phone, laptop, joon } = await threeDevices(t)
  const seen = await list(laptop)
  t.same(
    seen.map(({ user_agent, ip, current }) => ({ user_agent, ip, current })),
    [
      { user_agent: 'tablet/3', ip: '203.0.113.7', current: false },
      { user_agent: 'laptop/2', ip: '203.0.113.7', current: true },
      { user_agent: 'phone/1', ip: '203.0.113.7', current: false },
    ],
  )
  for (const session of seen) t.same(Object.keys(session).sort(), FIELDS)
  t.equal(seen[1]?.id, sessionOf(laptop))
  t.same(
    (await list(phone)).filter(({ current }) => current).map(({ id }) => id),
    [sessionOf(phone)],
  )
  t.same(
    (await list(joon)).map(({ id }) => id),
    [sessionOf(joon)],
  )
  const { body } = await laptop.get('/v1/sessions')
  t.notMatch(body, /lkr_|eyJ|token|generation|revoked|user_id/, 'the list contains no token and no secret')
  t.notMatch(body, sessionOf(joon))
  t.equal((await service.get('/v1/sessions')).statusCode, 401)
})

t.test('a refresh updates the last use and the address of the same session', async (t) => {
  const { service, phone, laptop } = await threeDevices(t)
  await change(phone, { lastUsedAt: Date.now() - HOUR_MS, createdAt: Date.now() - 2 * HOUR_MS })
  const before = (await list(laptop)).at(-1)
  const { refresh_token } = phone.login
  const remoteAddress = '198.51.100.9'
  await service.request({ method: 'POST', url: '/v1/refresh', payload: { refresh_token }, remoteAddress })
  const after = (await list(laptop)).at(-1)
  t.equal((await list(laptop)).length, 3)
  t.same({ ...after, last_used_at: '' }, { ...before, last_used_at: '', ip: remoteAddress })
  t.ok(Date.parse(String(after?.last_used_at)) - Date.parse(String(before?.last_used_at)) >= HOUR_MS)
})

t.test(
  'the last use is shown to the minute, and does not reveal when the current session was last refreshed',
  async (t) => {
    const { service, phone, laptop } = await threeDevices(t)
    const createdAt = Date.now() - 2 * HOUR_MS
    await change(phone, { createdAt, lastUsedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678) })
    t.equal((await list(laptop)).at(-1)?.last_used_at, new Date(createdAt).toISOString(), 'never before the log-in')
    await change(phone, { createdAt: 1, lastUsedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678) })
    t.equal((await list(laptop)).at(-1)?.last_used_at, '2026-01-02T03:04:00.000Z')

    const minute = () => Math.floor(Date.now() / 60_000) * 60_000
    const mine = async () => Date.parse(String((await list(phone)).find(({ current }) => current)?.last_used_at))
    for (const refreshed of [false, true]) {
      if (refreshed) await service.post('/v1/refresh', { refresh_token: phone.login.refresh_token })
      const [from, seen, until] = [minute(), await mine(), minute()]
      t.ok(seen >= from && seen <= until, refreshed ? 'after a refresh' : 'before a refresh')
    }
  },
)

t.test('ending one session rejects its tokens at once, and ends no other session', async (t) => {
  const { phone, laptop, tablet, joon } = await threeDevices(t)
  const ended = await phone.delete(`/v1/sessions/${sessionOf(laptop)}`)
  t.equal(ended.statusCode, 204)
  t.equal(ended.body, '')
  t.equal(await sessionStatus(laptop), DEAD)
  t.same(
    (await list(phone)).map(({ user_agent }) => user_agent),
    ['tablet/3', 'phone/1'],
  )
  for (const person of [phone, tablet, joon]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('a session may end itself', async (t) => {
  const { phone, laptop } = await threeDevices(t)
  t.equal((await phone.delete(`/v1/sessions/${sessionOf(phone)}`)).statusCode, 204)
  t.equal(await sessionStatus(phone), DEAD)
  t.equal(await sessionStatus(laptop), ALIVE)
})

t.test('ending a session that is over, unknown or of another user returns 404', async (t) => {
  const { service, phone, laptop, tablet, joon } = await threeDevices(t)
  const { db, tables } = service.app.database
  await phone.delete(`/v1/sessions/${sessionOf(laptop)}`)
  await db
    .update(tables.sessions)
    .set({ idleExpiresAt: 1 })
    .where(eq(tables.sessions.id, sessionOf(tablet)))
  const absent = {
    "somebody else's": sessionOf(joon),
    'ended before': sessionOf(laptop),
    expired: sessionOf(tablet),
    unknown: '7d444840-9dc0-41c9-8c5b-5e8bd3b5c2a1',
    'all zeros': '00000000-0000-0000-0000-000000000000',
  }
  for (const [name, id] of Object.entries(absent)) {
    const answer = await phone.delete(`/v1/sessions/${id}`)
    t.match(answer.json(), { status: 404, code: 'not_found' }, name)
    t.notMatch(answer.body, /joon|laptop/)
  }
  t.equal(await sessionStatus(joon), ALIVE)
  t.equal(await sessionStatus(phone), ALIVE)
})

t.test('an invalid session id ends no session', async (t) => {
  const { phone, laptop, joon } = await threeDevices(t)
  const id = sessionOf(laptop)
  // An empty id must not be read as "all".
  t.match((await phone.delete('/v1/sessions/')).json(), { status: 404, code: 'not_found' })
  const malformed = ['1', '-', '*', '%00', '%20', 'null', 'current', '__proto__', `${id}x`, `${id}%20`, id.slice(1)]
  for (const text of [...malformed, id.replaceAll('-', ''), `${id},${sessionOf(joon)}`, "1'%20or%20'1'='1"]) {
    const answer = await phone.delete(`/v1/sessions/${text}`)
    t.match(answer.json(), { status: 400, code: 'validation_failed' }, text)
  }
  for (const text of ['x'.repeat(200), `${id}/`, `${id}/${id}`]) {
    t.match((await phone.delete(`/v1/sessions/${text}`)).json(), { status: 404 }, text)
  }
  for (const person of [laptop, joon, phone]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('DELETE /v1/sessions ends all other sessions, and the current session stays alive', async (t) => {
  const { phone, laptop, tablet, joon } = await threeDevices(t)
  const ended = await phone.delete('/v1/sessions')
  t.equal(ended.statusCode, 204)
  t.equal(ended.body, '')
  for (const person of [laptop, tablet]) t.equal(await sessionStatus(person), DEAD)
  t.same(
    (await list(phone)).map(({ user_agent }) => user_agent),
    ['phone/1'],
  )
  t.equal((await phone.delete('/v1/sessions')).statusCode, 204, 'it is no error if there are no other sessions')
  for (const person of [phone, joon]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('without a token, or with a token of an ended session, no session is ended', async (t) => {
  const { service, phone, laptop, tablet } = await threeDevices(t)
  await phone.delete(`/v1/sessions/${sessionOf(tablet)}`)
  for (const url of ['/v1/sessions', `/v1/sessions/${sessionOf(laptop)}`]) {
    t.match((await service.request({ method: 'DELETE', url })).json(), { status: 401, code: 'missing_token' })
    t.match((await tablet.delete(url)).json(), { status: 401, code: 'invalid_token' })
  }
  for (const person of [phone, laptop]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('a user agent is stored up to 256 characters', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const mina = await logInWith(service, 'mina', `${'a'.repeat(256)}${'b'.repeat(300)}`)
  t.equal((await list(mina))[0]?.user_agent, 'a'.repeat(256))
})

/** Three log-ins of Mina, and one of Joon. */
async function threeDevices(t: Test) {
  const service = await startService(t)
  const joon = await service.signUp('joon')
  await service.signUp('mina').then((mina) => mina.post('/v1/logout'))
  const devices: Person[] = []
  for (const device of ['phone/1', 'laptop/2', 'tablet/3']) {
    devices.push(await logInWith(service, 'mina', device))
    // Log-ins in the same millisecond have no defined order.
    await sleep(2)
  }
  const [phone, laptop, tablet] = devices as [Person, Person, Person]
  return { service, joon, phone, laptop, tablet }
}

async function logInWith(service: Service, username: string, userAgent: string): Promise<Person> {
  const response = await service.request({
    method: 'POST',
    url: '/v1/login',
    headers: { 'user-agent': userAgent },
    remoteAddress: '203.0.113.7',
    payload: { username, password: PASSWORD },
  })
  return new Person(service, response.json())
}

async function change(person: Person, values: { createdAt?: number; lastUsedAt?: number }): Promise<void> {
  const { db, tables } = person.service.app.database
  await db
    .update(tables.sessions)
    .set(values)
    .where(eq(tables.sessions.id, sessionOf(person)))
}

async function list(person: Person): Promise<Session[]> {
  const answer = await person.get('/v1/sessions')
  if (answer.statusCode !== 200) throw new Error(`sessions: ${answer.statusCode} ${answer.body}`)
  return answer.json().items
}

function sessionOf({ token }: Person): string {
  return String(claimsOf(token).sid)
}
