import type { HTTPMethods, LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { claimsOf, PASSWORD, type Person, type Service, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'
import { until } from '../support/replica.js'

const NEXT = 'four louder lanterns'
const WRONG = 'three loud lanterns'
const IP = '203.0.113.7'
/** Event types that are written asynchronously, independently of the response. */
const BESIDE = new Set(['access.refused', 'login.throttled'])

/** The expected event of a request. Omitted fields are null, except `actor_id`, which defaults to `user_id`. */
interface Expected {
  type: string
  user_id: number | null
  actor_id?: number | null
  session_id?: string
  reason?: string
}

type Logged = Expected & { id: number; ip: string | null; request_id: string | null; created_at: string }

t.test('registrations and log-ins are recorded, and failed log-ins with their reason', async (t) => {
  const { walk, boss, mina } = await setUp(t)
  const { id: user_id } = mina
  const credentials = { username: 'mina', password: PASSWORD }
  const failed = (reason: string, id: number | null = user_id) => ({
    type: 'login.failed',
    user_id: id,
    actor_id: null,
    reason,
  })
  const registered = await walk.step('POST /v1/register', undefined, { username: 'hana', password: PASSWORD })
  walk.expect({ type: 'user.registered', user_id: registered.json().user.id })
  await walk.step('POST /v1/register', undefined, { username: 'hana', password: PASSWORD })
  const login = await walk.step('POST /v1/login', undefined, credentials)
  walk.expect({ type: 'login.succeeded', ...sessionOf(login), reason: 'password at POST /v1/login' })
  const form = String(new URLSearchParams({ ...credentials, grant_type: 'password' }))
  const grant = await walk.step('POST /v1/token', undefined, form)
  walk.expect({ type: 'login.succeeded', ...sessionOf(grant), reason: 'password at POST /v1/token' })
  await walk.step('POST /v1/login', undefined, { ...credentials, password: WRONG })
  walk.expect(failed('wrong_password'))
  await walk.step('POST /v1/login', undefined, { ...credentials, username: 'somebody.else' })
  walk.expect(failed('unknown_user', null))
  await boss.patch(`/v1/users/${user_id}`, { is_active: false })
  await walk.step('POST /v1/login', undefined, credentials)
  walk.expect(failed('disabled'))
  await walk.check(t, boss)
})

t.test('the lock of an account and the first throttled log-in are recorded', async (t) => {
  const { walk, boss, mina } = await setUp(t)
  const nobody = { user_id: mina.id, actor_id: null }
  const failed = { type: 'login.failed', ...nobody, reason: 'wrong_password' }
  for (let n = 1; n <= 10; n += 1) {
    await walk.step('POST /v1/login', undefined, { username: 'mina', password: WRONG })
    walk.expect(...(n === 10 ? [{ type: 'account.locked', ...nobody }] : []), failed)
  }
  t.equal((await walk.step('POST /v1/login', undefined, { username: 'mina', password: PASSWORD })).statusCode, 429)
  walk.expect({ type: 'login.throttled', ...nobody, reason: 'account' })
  t.equal((await walk.step('POST /v1/login', undefined, { username: 'mina', password: PASSWORD })).statusCode, 429)
  const confirmed = { email: 'mina@example.com', current_password: PASSWORD }
  t.equal((await walk.step('PATCH /v1/me', mina, confirmed)).statusCode, 200, 'a session has a budget of its own')
  walk.expect({ type: 'user.updated', user_id: mina.id })
  await walk.check(t, boss)
})

t.test('refreshes, reused refresh tokens and ended sessions are recorded', async (t) => {
  const { service, walk, boss, mina, joon } = await setUp(t)
  const { refresh_token } = joon.login
  const [phone, laptop] = [await service.logIn('mina'), await service.logIn('mina')]
  await walk.step('POST /v1/refresh', undefined, { refresh_token })
  walk.expect({ type: 'session.refreshed', ...session(joon) })
  await walk.step('POST /v1/refresh', undefined, { refresh_token })
  walk.expect({ type: 'session.reuse_detected', ...session(joon), actor_id: null })
  await walk.step('POST /v1/refresh', undefined, { refresh_token })
  await walk.step('POST /v1/refresh', undefined, { refresh_token: 'garbage' })
  await walk.step('POST /v1/logout', phone)
  walk.expect({ type: 'session.ended', ...session(phone) })
  await walk.step('POST /v1/logout', phone)
  await walk.step(`DELETE /v1/sessions/${session(laptop).session_id}`, mina)
  walk.expect({ type: 'session.ended', ...session(laptop) })
  await walk.step(`DELETE /v1/sessions/${session(laptop).session_id}`, mina)
  await service.logIn('mina')
  await walk.step('DELETE /v1/sessions', mina)
  walk.expect({ type: 'sessions.ended', ...session(mina) })
  await walk.step('DELETE /v1/sessions', mina)
  await walk.check(t, boss)
})

t.test('the actions of users on their own account are recorded', async (t) => {
  const { walk, boss, mina } = await setUp(t)
  const { id: user_id } = mina
  const current_password = PASSWORD
  await walk.step('PATCH /v1/me', mina, { name: 'Mina' })
  walk.expect({ type: 'user.updated', user_id })
  await walk.step('PATCH /v1/me', mina, { name: 'Mina' })
  await walk.step('PATCH /v1/me', mina, { username: 'm.kim', current_password })
  walk.expect({ type: 'user.updated', user_id })
  await walk.step('PATCH /v1/me', mina, { username: 'mina', current_password: WRONG })
  walk.expect({ type: 'password.rejected', user_id })
  await walk.step('PATCH /v1/me', mina, { username: 'joon', current_password })
  await walk.step('PATCH /v1/me', mina, { username: 'mina' })
  await walk.step('POST /v1/reauthenticate', mina, { current_password })
  walk.expect({ type: 'session.reauthenticated', ...session(mina), reason: 'pwd' })
  await walk.step('GET /v1/me/export', mina)
  walk.expect({ type: 'account.exported', ...session(mina) })
  await walk.step('POST /v1/me/password', mina, { current_password: WRONG, new_password: NEXT })
  walk.expect({ type: 'password.rejected', user_id })
  await walk.step('POST /v1/me/password', mina, { current_password, new_password: 'short' })
  await walk.step('POST /v1/me/password', mina, { current_password, new_password: NEXT })
  walk.expect({ type: 'password.changed', ...session(mina) })
  await walk.step('POST /v1/me/delete', mina, { current_password })
  walk.expect({ type: 'password.rejected', user_id })
  await walk.step('POST /v1/me/delete', mina, { current_password: NEXT })
  walk.expect({ type: 'user.deleted', user_id })
  await walk.check(t, boss)
})

t.test('the actions of admins are recorded', async (t) => {
  const { service, walk, boss, mina, joon } = await setUp(t)
  const theirs = { user_id: mina.id, actor_id: boss.id }
  const url = `/v1/users/${mina.id}`
  const { token } = (await walk.step(`POST ${url}/password-reset`, boss)).json()
  walk.expect({ type: 'password_reset.created', ...theirs })
  await walk.step('POST /v1/password-reset', undefined, { token, new_password: 'short' })
  await walk.step('POST /v1/password-reset', undefined, { token, new_password: NEXT })
  walk.expect({ type: 'password_reset.used', user_id: mina.id })
  await walk.step('POST /v1/password-reset', undefined, { token, new_password: NEXT })
  await walk.step(`PATCH ${url}`, boss, { role: 'admin' })
  walk.expect({ type: 'user.role_changed', ...theirs, reason: 'user to admin' })
  await walk.step(`PATCH ${url}`, boss, { role: 'admin', is_active: true })
  await walk.step(`PATCH ${url}`, boss, { role: 'user', is_active: false })
  walk.expect({ type: 'user.role_changed', ...theirs, reason: 'admin to user' }, { type: 'user.disabled', ...theirs })
  await walk.step(`PATCH ${url}`, boss, { is_active: true })
  walk.expect({ type: 'user.enabled', ...theirs })
  await walk.step(`DELETE ${url}/sessions`, boss)
  await service.logIn('mina', NEXT)
  await walk.step(`DELETE ${url}/sessions`, boss)
  walk.expect({ type: 'sessions.ended', ...theirs })
  await walk.step(`DELETE /v1/users/${boss.id}`, boss)
  await walk.step(`PATCH /v1/users/${boss.id}`, boss, { role: 'user' })
  await walk.step(`DELETE ${url}`, joon)
  walk.expect({ type: 'access.refused', ...session(joon), reason: 'DELETE /v1/users/:id' })
  await walk.step(`DELETE ${url}`, boss)
  walk.expect({ type: 'user.deleted', ...theirs })
  for (const gone of [`DELETE ${url}`, `DELETE ${url}/sessions`, `POST ${url}/password-reset`])
    await walk.step(gone, boss)
  for (const look of ['/v1/users', url, '/v1/events', '/v1/me']) await walk.step(`GET ${look}`, boss)
  await walk.check(t, boss)
})

t.test('events of the command line have no actor, session, address or request id', async (t) => {
  const { service, boss } = await setUp(t)
  const { id: user_id } = await service.app.registration.create(
    { username: 'ada', password: PASSWORD },
    { role: 'admin' },
  )
  const log: Logged[] = (await boss.get(`/v1/events?user_id=${user_id}`)).json().items
  const nobody = { user_id, actor_id: null, actor_client_id: null, session_id: null, ip: null, request_id: null }
  t.same(
    log.map(({ id, created_at, ...event }) => event),
    [
      { type: 'user.role_changed', ...nobody, reason: 'user to admin' },
      { type: 'user.created', ...nobody, reason: null },
    ],
  )
})

async function setUp(t: Test) {
  const service = await startService(t, { REFRESH_REUSE_WINDOW: '0s' })
  const boss = await signUpAdmin(service, 'boss')
  const walk = new Walk(service)
  return { service, walk, boss, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}

function session({ id, token }: Person) {
  return { user_id: id, session_id: String(claimsOf(token).sid) }
}

function sessionOf(login: Response) {
  const { sub, sid } = claimsOf(login.json().access_token)
  return { user_id: Number(sub), session_id: String(sid) }
}

/** Sends requests and checks the events that each must leave; none by default. */
class Walk {
  readonly #startedAt = Date.now()
  readonly #steps: { name: string; answer: Response; expected: Expected[] }[] = []

  constructor(readonly service: Service) {}

  async step(name: string, person?: Person, payload?: object | string): Promise<Response> {
    const [method, url] = name.split(' ') as [HTTPMethods, string]
    const answer = await this.service.request({
      ...{ method, url, remoteAddress: IP },
      ...(payload !== undefined && { payload }),
      headers: {
        ...(person && { authorization: `Bearer ${person.token}` }),
        ...(typeof payload === 'string' && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
    })
    this.#steps.push({ name: `${this.#steps.length + 1}: ${name} ${answer.statusCode}`, answer, expected: [] })
    return answer
  }

  /** Adds the expected events of the last step. */
  expect(...events: Expected[]): void {
    this.#steps.at(-1)?.expected.push(...events)
  }

  async check(t: Test, boss: Person): Promise<void> {
    const logged = async (): Promise<Logged[]> => (await boss.get('/v1/events?limit=100')).json().items
    const beside = this.#steps.flatMap(({ expected }) => expected).filter(({ type }) => BESIDE.has(type)).length
    await until(async () => (await logged()).filter(({ type }) => BESIDE.has(type)).length >= beside)
    const log = await logged()
    for (const { name, answer, expected } of this.#steps) {
      const request_id = String(answer.headers['x-request-id'])
      const found = log.filter((event) => event.request_id === request_id).reverse()
      const rest = { actor_client_id: null, session_id: null, reason: null, ip: IP, request_id }
      t.same(
        found.map(({ id, created_at, ...event }) => event),
        expected.map((event) => ({ actor_id: event.user_id, ...rest, ...event })),
        name,
      )
      for (const { created_at } of found) {
        t.match(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        t.ok(Date.parse(created_at) >= this.#startedAt - 1_000 && Date.parse(created_at) <= Date.now() + 1_000)
      }
    }
    const ids = new Set(this.#steps.map(({ answer }) => answer.headers['x-request-id']))
    t.equal(ids.size, this.#steps.length, 'no two requests have the same id')
  }
}
