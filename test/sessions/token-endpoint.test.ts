import { eq } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { claimsOf, PASSWORD, Person, type Service, startService } from '../helper.js'

const FORM = 'application/x-www-form-urlencoded'
const GOOD = { grant_type: 'password', username: 'mina', password: PASSWORD }

t.test('the password grant and the refresh_token grant answer as RFC 6749 requires', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await service.signUp('joon')
  const first = await ask(service, GOOD)
  const second = await ask(service, { grant_type: 'refresh_token', refresh_token: first.json().refresh_token })
  for (const response of [first, second]) {
    t.equal(response.statusCode, 200)
    t.match(response.headers['content-type'], /^application\/json/)
    t.equal(response.headers['cache-control'], 'no-store')
    const body = response.json()
    t.strictSame(Object.keys(body).sort(), ['access_token', 'expires_in', 'refresh_token', 'token_type'])
    t.equal(body.token_type, 'Bearer')
    t.equal(body.expires_in, 600)
    t.equal(claimsOf(body.access_token).sub, String(mina.id))
    const person = new Person(service, { ...body, user: mina.login.user })
    t.equal((await person.get('/v1/me')).json().username, 'mina')
  }
  const [before, after] = [claimsOf(first.json().access_token), claimsOf(second.json().access_token)]
  t.equal(after.sid, before.sid, 'the session goes on')
  t.not(after.jti, before.jti)
  t.not(second.json().refresh_token, first.json().refresh_token)
})

t.test('a refresh token from /v1/token works at /v1/refresh, and the other way round', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { refresh_token } = mina.login
  const there = await ask(service, { grant_type: 'refresh_token', refresh_token })
  const back = await service.post('/v1/refresh', { refresh_token: there.json().refresh_token })
  t.equal(back.statusCode, 200)
  t.equal(claimsOf(back.json().access_token).sid, claimsOf(mina.token).sid)
})

t.test('people log in by e-mail address and by names that need encoding', async (t) => {
  const service = await startService(t)
  const registered = await service.post('/v1/register', {
    username: '김미나',
    email: 'mina+login@example.com',
    password: '조용한 등불 & 바다=100% + 달',
  })
  const { id } = registered.json().user
  for (const username of ['김미나', '김미나'.normalize('NFD'), 'mina+login@example.com', 'MINA+login@example.com']) {
    const response = await ask(service, { ...GOOD, username, password: '조용한 등불 & 바다=100% + 달' })
    t.equal(response.statusCode, 200, username)
    t.equal(claimsOf(response.json().access_token).sub, String(id))
  }
  const unencoded = 'grant_type=password&username=김미나&password=조용한 등불 %26 바다%3D100%25 %2B 달'
  t.equal((await ask(service, unencoded)).statusCode, 200)
})

t.test('missing, repeated, unknown and wrong parameters get the error codes of RFC 6749', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { refresh_token } = mina.login
  const { grant_type, username, password } = GOOD
  const good = new URLSearchParams(GOOD).toString()
  const refresh = new URLSearchParams({ grant_type: 'refresh_token', refresh_token }).toString()
  const cases: { form: Record<string, string> | string; error: string }[] = [
    { form: '', error: 'invalid_request' },
    { form: { username, password }, error: 'invalid_request' },
    { form: { grant_type, password }, error: 'invalid_request' },
    { form: { grant_type, username }, error: 'invalid_request' },
    { form: { grant_type: 'refresh_token' }, error: 'invalid_request' },
    // A parameter without a value counts as left out: RFC 6749 section 3.2.
    { form: { ...GOOD, grant_type: '' }, error: 'invalid_request' },
    { form: { ...GOOD, username: '' }, error: 'invalid_request' },
    { form: { ...GOOD, password: '' }, error: 'invalid_request' },
    { form: { grant_type: 'refresh_token', refresh_token: '' }, error: 'invalid_request' },
    { form: `${good}&grant_type=password`, error: 'invalid_request' },
    { form: `${good}&username=joon`, error: 'invalid_request' },
    { form: `${good}&password=x`, error: 'invalid_request' },
    { form: `${good}&scope=&scope=`, error: 'invalid_request' },
    { form: `${refresh}&refresh_token=x`, error: 'invalid_request' },
    { form: { ...GOOD, password: 'three\0quiet' }, error: 'invalid_request' },
    { form: `${good}%ff`, error: 'invalid_request' },
    { form: { ...GOOD, grant_type: 'authorization_code' }, error: 'unsupported_grant_type' },
    { form: { ...GOOD, grant_type: 'Password' }, error: 'unsupported_grant_type' },
    { form: { ...GOOD, grant_type: 'constructor' }, error: 'unsupported_grant_type' },
    { form: { ...GOOD, scope: 'admin' }, error: 'invalid_scope' },
    { form: { ...GOOD, scope: 'openid users' }, error: 'invalid_scope' },
    { form: { grant_type: 'refresh_token', refresh_token, scope: 'admin' }, error: 'invalid_scope' },
    { form: { ...GOOD, password: 'not her password' }, error: 'invalid_grant' },
    { form: { ...GOOD, username: 'nobody' }, error: 'invalid_grant' },
    { form: { grant_type: 'refresh_token', refresh_token: 'garbage' }, error: 'invalid_grant' },
    { form: { grant_type: 'refresh_token', refresh_token: `${refresh_token}x` }, error: 'invalid_grant' },
    { form: { grant_type: 'refresh_token', refresh_token: mina.token }, error: 'invalid_grant' },
  ]
  for (const { form, error } of cases) {
    const response = await ask(service, form)
    assertError(t, response, 400, error, JSON.stringify(form).slice(0, 90))
    t.equal(response.headers['www-authenticate'], undefined)
  }
  t.equal((await ask(service, refresh)).statusCode, 200, 'no failed request used up the refresh token')
})

t.test('an unknown user, a wrong password and a disabled user get the same answer to the last byte', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '127.0.0.1' })
  await service.signUp('mina')
  const joon = await service.signUp('joon')
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ isActive: false }).where(eq(tables.users.id, joon.id))
  const answers = new Set<string>()
  for (const who of [{ username: 'joon' }, { username: 'nobody' }, { password: 'not her password' }]) {
    const response = await ask(service, { ...GOOD, ...who }, { 'x-request-id': 'the-same-request' })
    const { date, ...headers } = response.headers
    t.type(date, 'string')
    answers.add(JSON.stringify([response.statusCode, headers, response.payload]))
  }
  t.equal(answers.size, 1)
})

t.test('unknown parameters are ignored, and names such as __proto__ are rejected', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const ignored = { client_id: 'web', client_secret: '', scope: '', role: 'admin', 'user[role]': 'admin', sub: '2' }
  const response = await ask(service, { ...GOOD, ...ignored })
  t.equal(response.statusCode, 200)
  t.match(claimsOf(response.json().access_token), { sub: '1', role: 'user' })
  for (const name of ['__proto__', 'constructor', 'prototype', '%5F_proto__']) {
    assertError(t, await ask(service, `${new URLSearchParams(GOOD)}&${name}=x`), 400, 'invalid_request', name)
  }
  t.notOk('role' in {})
})

t.test('an empty Basic header counts as no client, and a Basic header with a secret is rejected', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  // Swagger UI sends the first header; OAuth libraries with a client_id and no secret send the second.
  for (const client of [':', 'web:']) {
    t.equal((await ask(service, GOOD, basic(client))).statusCode, 200, client)
  }
  for (const client of ['web:secret', ':secret', 'mina:three quiet lanterns']) {
    const response = await ask(service, GOOD, basic(client))
    assertError(t, response, 401, 'invalid_client', client)
    t.match(response.headers['www-authenticate'], /^Basic /)
  }
})

t.test('a body of another type or of a wrong size is rejected with an OAuth error', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form']) {
    const response = await ask(service, JSON.stringify(GOOD), { 'content-type': type })
    assertError(t, response, 415, 'invalid_request', type)
  }
  assertError(t, await ask(service, { ...GOOD, more: 'x'.repeat(70_000) }), 413, 'invalid_request')
  for (const long of [{ username: 'x'.repeat(321) }, { password: 'x'.repeat(257) }]) {
    assertError(t, await ask(service, { ...GOOD, ...long }), 400, 'invalid_request')
  }
  const elsewhere = await service.get(`/v1/token?${new URLSearchParams(GOOD)}`)
  t.match(elsewhere.json(), { status: 405, code: 'method_not_allowed' })
  assertError(t, await ask(service, '', {}, `?${new URLSearchParams(GOOD)}`), 400, 'invalid_request')
})

t.test('the password grant can be switched off, and refreshing goes on', async (t) => {
  const service = await startService(t, { PASSWORD_GRANT: 'off' })
  const { refresh_token } = (await service.signUp('mina')).login
  for (const form of [GOOD, { ...GOOD, password: 'not her password' }, { grant_type: 'password' }]) {
    assertError(t, await ask(service, form), 400, 'unsupported_grant_type')
  }
  t.equal((await ask(service, { grant_type: 'refresh_token', refresh_token })).statusCode, 200)
  t.equal((await service.logIn('mina')).login.user.username, 'mina')
  const metadata = (await service.get('/.well-known/oauth-authorization-server')).json()
  t.strictSame(metadata.grant_types_supported, ['client_credentials', 'refresh_token'])
})

function ask(
  service: Service,
  form: Record<string, string> | string,
  headers: Record<string, string> = {},
  query = '',
): Promise<Response> {
  const payload = typeof form === 'string' ? form : new URLSearchParams(form).toString()
  return service.post(`/v1/token${query}`, payload, { 'content-type': FORM, ...headers })
}

function basic(client: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(client).toString('base64')}` }
}

function assertError(t: Test, response: Response, status: number, error: string, name = error): void {
  t.equal(response.statusCode, status, name)
  t.match(response.headers['content-type'], /^application\/json/)
  t.equal(response.headers['cache-control'], 'no-store')
  const body = response.json()
  t.strictSame(Object.keys(body), ['error', 'error_description'])
  t.equal(body.error, error)
  t.notMatch(body.error_description, /quiet|lanterns|lkr_|SQLITE/)
}
