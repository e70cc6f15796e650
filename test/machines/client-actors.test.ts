import t, { type Test } from 'tap'
import { type Service, startService } from '../helper.js'
import { clientToken, registerClient } from '../support/oauth.js'
import { signUpAdmin } from '../support/people.js'
import { until } from '../support/replica.js'

t.setTimeout(120_000)

const PROTECTED = { status: 403, code: 'account_protected' }

t.test('a client manages accounts without a step-up, and the audit log names the client', async (t) => {
  const { service, robot, boss } = await start(t)
  const made = await robot('POST', '/v1/users', { username: 'mina', email: 'mina@example.com' })
  t.equal(made.statusCode, 201)
  const { id } = made.json()
  t.equal((await robot('PATCH', `/v1/users/${id}`, { roles: ['editor'] })).json().roles[0], 'editor')
  t.equal((await robot('PATCH', `/v1/users/${id}`, { is_active: false })).json().is_active, false)
  t.equal((await robot('GET', `/v1/users/${id}`)).json().username, 'mina')
  t.equal((await robot('DELETE', `/v1/users/${id}`)).statusCode, 204)
  const { items } = (await boss.get(`/v1/events?user_id=${id}`)).json()
  t.match(items, [
    { type: 'user.deleted', actor_id: null, actor_client_id: 'robot' },
    { type: 'user.disabled', actor_id: null, actor_client_id: 'robot' },
    { type: 'user.roles_changed', reason: '+editor', actor_id: null, actor_client_id: 'robot' },
    { type: 'user.created', actor_id: null, actor_client_id: 'robot' },
  ])
  const person = await service.signUp('joon')
  t.equal((await robot('DELETE', `/v1/users/${person.id}/sessions`)).statusCode, 204)
  t.equal((await person.get('/v1/me')).statusCode, 401)
  t.equal((await robot('DELETE', `/v1/users/${person.id}/factors`)).statusCode, 204, 'the account has no factors')
})

t.test('a client cannot change an admin account or make an account admin', async (t) => {
  const { robot, service, boss } = await start(t)
  const mina = await service.signUp('mina')
  const requests: ['POST' | 'PATCH' | 'DELETE', string, unknown?][] = [
    ['POST', '/v1/users', { username: 'chief', role: 'admin' }],
    ['PATCH', `/v1/users/${mina.id}`, { role: 'admin' }],
    ['PATCH', `/v1/users/${boss.id}`, { role: 'user' }],
    ['PATCH', `/v1/users/${boss.id}`, { roles: ['editor'] }],
    ['PATCH', `/v1/users/${boss.id}`, { is_active: false }],
    ['DELETE', `/v1/users/${boss.id}`],
    ['DELETE', `/v1/users/${boss.id}/sessions`],
    ['DELETE', `/v1/users/${boss.id}/factors`],
    ['POST', `/v1/users/${boss.id}/password-reset`],
  ]
  for (const [method, url, body] of requests) {
    t.match((await robot(method, url, body)).json(), PROTECTED, `${method} ${url} ${JSON.stringify(body)}`)
  }
  t.match((await boss.get('/v1/users')).json().items, [
    { username: 'mina', role: 'user' },
    { username: 'boss', role: 'admin', roles: [], is_active: true },
  ])
})

t.test('a client gets no reset token, and none is created where no mail can be sent', async (t) => {
  const { robot, service } = await start(t)
  const mina = await service.signUp('mina')
  const answer = await robot('POST', `/v1/users/${mina.id}/password-reset`)
  t.match(answer.json(), { status: 403, code: 'mail_disabled' })
  const { db, tables } = service.app.database
  t.equal(Number(await db.$count(tables.oneTimeTokens)), 0)
  t.match((await robot('POST', '/v1/users', { email: 'joon@example.com', invite: true })).json(), {
    status: 403,
    code: 'mail_disabled',
  })
})

t.test(
  'the tokens of a client lose a removed scope at once, and end when the client is disabled or deleted',
  async (t) => {
    const { robot, service, boss, client } = await start(t)
    const mina = await service.signUp('mina')
    t.equal((await robot('GET', '/v1/users')).statusCode, 200)
    await boss.patch('/v1/clients/robot', { scope: 'users:read' })
    t.equal((await robot('GET', '/v1/users')).statusCode, 200)
    t.match((await robot('DELETE', `/v1/users/${mina.id}`)).json(), { status: 403, code: 'insufficient_scope' })
    t.equal((await robot('GET', '/v1/verify?scope=users:read')).headers['x-latchkey-scope'], 'users:read')
    // As in another process, which has not polled the change yet.
    const { accounts } = service.app
    const actor = { clientId: 'robot', client: { ip: '192.0.2.1' } }
    await t.rejects(accounts.delete(mina.id, actor), { code: 'invalid_token' })
    await boss.patch('/v1/clients/robot', { scope: 'users:read users:write' })
    await boss.patch('/v1/clients/robot', { is_active: false })
    t.equal((await robot('GET', '/v1/users')).statusCode, 401)
    await t.rejects(accounts.delete(mina.id, actor), { code: 'invalid_token' })
    await t.rejects(accounts.delete(mina.id, { ...actor, clientId: 'nobody' }), { code: 'invalid_token' })
    await boss.patch('/v1/clients/robot', { is_active: true })
    const deleted = asClient(service, await clientToken(service, client))
    t.equal((await deleted('GET', '/v1/users')).statusCode, 200)
    t.equal((await boss.delete('/v1/clients/robot')).statusCode, 204)
    t.equal((await deleted('GET', '/v1/users')).statusCode, 401)
    t.equal((await deleted('DELETE', `/v1/users/${mina.id}`)).statusCode, 401)
    await t.rejects(accounts.delete(mina.id, actor), { code: 'invalid_token' })
    t.equal((await mina.get('/v1/me')).statusCode, 200)
  },
)

t.test('a client that exceeds its scope is in the audit log, once for each endpoint', async (t) => {
  const { service, boss } = await start(t)
  const reader = await registerClient(service, 'reader', { scope: 'users:read' })
  const authorization = `Bearer ${await clientToken(service, reader)}`
  for (let n = 0; n < 3; n += 1) {
    t.equal((await service.get('/v1/events', { authorization })).statusCode, 403)
    t.equal((await service.get('/v1/me', { authorization })).statusCode, 403)
  }
  const found = async () => (await boss.get('/v1/events?type=access.refused')).json().items
  await until(async () => (await found()).length >= 2)
  const refusals: { reason: string }[] = await found()
  // The events are recorded concurrently, independently of the responses.
  t.match(
    refusals.sort((a, b) => a.reason.localeCompare(b.reason)),
    [
      { user_id: null, actor_id: null, actor_client_id: 'reader', reason: 'GET /v1/events needs events:read' },
      { user_id: null, actor_id: null, actor_client_id: 'reader', reason: 'GET /v1/me needs profile' },
    ],
  )
})

async function start(t: Test) {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  const client = await registerClient(service, 'robot', { scope: 'users:read users:write' })
  return { service, boss, client, robot: asClient(service, await clientToken(service, client)) }
}

function asClient(service: Service, token: string) {
  const headers = { authorization: `Bearer ${token}` }
  return (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: unknown) =>
    service.request({ method, url, headers, ...(payload !== undefined && { payload: payload as object }) })
}
