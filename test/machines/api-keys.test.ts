import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { statements } from '../../src/telemetry/channels.js'
import { type Person, type Service, startService } from '../helper.js'
import { basic, clientToken, postForm, registerClient } from '../support/oauth.js'
import { signUpAdmin } from '../support/people.js'

t.setTimeout(120_000)

const KEY = /^lkk_[\w-]{64}$/
const DAY_MS = 86_400_000

t.test('a user creates an API key, and the key may do only what its scope names', async (t) => {
  const { service, mina } = await start(t)
  const { key, id, ...rest } = await makeKey(mina, 'todos:read todos:write')
  t.match(key, KEY)
  t.match(rest, { name: 'script', scope: 'todos:read todos:write', last_used_at: null })
  const todo = await withKey(service, key).post('/v1/todos', { title: 'from a script' })
  t.equal(todo.statusCode, 201)
  t.equal((await mina.get(`/v1/todos/${todo.json().id}`)).statusCode, 200)
  for (const url of ['/v1/me', '/v1/tutorials', '/v1/sessions', '/v1/me/api-keys', '/v1/users']) {
    t.equal((await withKey(service, key).get(url)).statusCode, 403, url)
  }
  const listed = await mina.get('/v1/me/api-keys')
  t.match(listed.json(), { items: [{ id, name: 'script' }] })
  t.notMatch(listed.payload, key)
  const { db, tables } = service.app.database
  t.notMatch(JSON.stringify(await db.select().from(tables.apiKeys)), key, 'the database does not hold the key')
})

t.test('users cannot list or delete the API keys of others, and a key cannot create or delete keys', async (t) => {
  const { service, mina, joon } = await start(t)
  const { id, key } = await makeKey(mina, 'profile todos:read')
  t.equal((await joon.delete(`/v1/me/api-keys/${id}`)).statusCode, 404)
  t.same((await joon.get('/v1/me/api-keys')).json(), { items: [] })
  const script = withKey(service, key)
  t.equal((await script.post('/v1/me/api-keys', asked('profile'))).statusCode, 403)
  t.equal((await script.delete(`/v1/me/api-keys/${id}`)).statusCode, 403)
  for (const field of ['user_id', 'userId', 'owner']) {
    const body = { ...asked('profile'), [field]: mina.id }
    t.equal((await joon.post('/v1/me/api-keys', body)).statusCode, 400, 'a key cannot be created for another user')
  }
  t.equal((await script.get('/v1/me')).json().id, mina.id)
  t.equal((await mina.delete(`/v1/me/api-keys/${id}`)).statusCode, 204)
  t.equal((await mina.delete(`/v1/me/api-keys/${id}`)).statusCode, 404)
  t.equal((await script.get('/v1/me')).statusCode, 401, 'a deleted key ends at once, even if it is cached')
})

t.test('a key with a scope that its owner may not give, or an invalid expiry or name, is rejected', async (t) => {
  const { service, mina } = await start(t)
  const boss = await signUpAdmin(service, 'boss')
  for (const scope of ['openid', 'offline_access', 'roles', 'users:read', 'todos:read users:write', 'events:read']) {
    t.match((await mina.post('/v1/me/api-keys', asked(scope))).json(), { status: 400, code: 'key_rejected' }, scope)
  }
  t.equal((await boss.post('/v1/me/api-keys', asked('users:read'))).statusCode, 201)
  t.equal((await mina.post('/v1/me/api-keys', asked('invoices:read'))).statusCode, 201, 'a custom scope')
  for (const expires_at of [new Date(Date.now() - 1_000), new Date(Date.now() + 400 * DAY_MS)]) {
    const answer = await mina.post('/v1/me/api-keys', { ...asked('profile'), expires_at: expires_at.toISOString() })
    t.match(answer.json(), { status: 400, code: 'key_rejected' })
  }
  for (const body of [
    { scope: 'profile' },
    { ...asked('profile'), scope: '' },
    { ...asked('profile'), name: 'a\u0000' },
  ]) {
    t.equal((await mina.post('/v1/me/api-keys', body)).statusCode, 400)
  }
})

t.test('made-up API keys cause no database query', async (t) => {
  const { service, mina } = await start(t)
  const { key } = await makeKey(mina, 'profile')
  const { apiKeys } = service.app
  let queries = 0
  t.teardown(
    statements.subscribe(() => {
      queries += 1
    }),
  )
  const flipped = (at: number) => `${key.slice(0, at)}${key[at] === 'A' ? 'B' : 'A'}${key.slice(at + 1)}`
  for (let at = 4; at < key.length; at += 1) t.equal(await apiKeys.identify(flipped(at)), undefined)
  for (let n = 0; n < 2_000; n += 1) await apiKeys.identify(`lkk_${String(n).padStart(64, 'A')}`)
  t.equal(queries, 0, 'no poll of the service runs in between')
  t.equal((await withKey(service, flipped(9)).get('/v1/me')).statusCode, 401)
  t.equal((await withKey(service, key).get('/v1/me')).statusCode, 200)
  t.ok(queries > 0)
})

t.test('keys end when their owner is disabled, demoted, deleted or gets a reset, not with a log-out', async (t) => {
  const { service, mina } = await start(t)
  const { administration, accounts, newPasswords } = service.app
  const operator = { id: null }
  const ends: [string, (person: Person) => Promise<unknown>, number][] = [
    ['disabled', ({ id }) => administration.change(id, { isActive: false }, operator), 401],
    ['deleted', ({ id }) => accounts.delete(id, operator), 401],
    [
      'reset',
      async ({ id }) => {
        const user = await accounts.get(id)
        const passwordHash = await newPasswords.hash(user, 'five louder lanterns')
        return newPasswords.overwrite({ user, passwordHash })
      },
      401,
    ],
    [
      'password changed by the owner',
      (person) =>
        person.post('/v1/me/password', {
          current_password: 'three quiet lanterns',
          new_password: 'six louder lanterns',
        }),
      200,
    ],
    ['logged out everywhere', ({ id }) => accounts.endSessions(id, operator), 200],
  ]
  for (const [index, [what, end, status]] of ends.entries()) {
    const person = await service.signUp(`person${index}`)
    const script = withKey(service, (await makeKey(person, 'profile')).key)
    t.equal((await script.get('/v1/me')).statusCode, 200, what)
    await end(person)
    t.equal((await script.get('/v1/me')).statusCode, status, what)
  }
  await signUpAdmin(service, 'boss')
  await administration.change(mina.id, { role: 'admin' }, operator)
  const boss = await service.logIn('mina')
  const script = withKey(service, (await makeKey(boss, 'users:read')).key)
  t.equal((await script.get('/v1/users')).statusCode, 200)
  await administration.change(mina.id, { role: 'user' }, operator)
  t.equal((await script.get('/v1/users')).statusCode, 401, 'demoted')
})

t.test('another process rejects a revoked key after its next poll', async (t) => {
  const { service, mina } = await start(t)
  const { key, id } = await makeKey(mina, 'profile')
  const script = withKey(service, key)
  t.equal((await script.get('/v1/me')).statusCode, 200)
  const { db, tables, now } = service.app.database
  await db.update(tables.apiKeys).set({ revokedAt: now }).where(eq(tables.apiKeys.id, id))
  await service.app.apiKeys.poll()
  t.equal((await script.get('/v1/me')).statusCode, 401)
})

t.test('last_used_at of a key is written by the poll, at most once a minute', async (t) => {
  const { service, mina } = await start(t)
  const { key, id } = await makeKey(mina, 'profile')
  const used = async () => (await mina.get('/v1/me/api-keys')).json().items[0].last_used_at
  for (let n = 0; n < 3; n += 1) t.equal((await withKey(service, key).get('/v1/me')).statusCode, 200)
  await service.app.apiKeys.poll()
  const first = await used()
  t.type(first, 'string')
  await withKey(service, key).get('/v1/me')
  await service.app.apiKeys.poll()
  t.equal(await used(), first)
  const { db, tables } = service.app.database
  await db
    .update(tables.apiKeys)
    .set({ expiresAt: Date.now() - 1 })
    .where(eq(tables.apiKeys.id, id))
  t.same((await mina.get('/v1/me/api-keys')).json(), { items: [] })
})

t.test('/v1/verify accepts API keys and client tokens only for a scope that the request names', async (t) => {
  const { service, mina } = await start(t)
  const { key } = await makeKey(mina, 'invoices:read todos:read')
  const client = await registerClient(service, 'billing', { scope: 'invoices:read stock:read' })
  const token = await clientToken(service, client)
  const verify = (bearer: string, query = '') =>
    service.get(`/v1/verify${query}`, { authorization: `Bearer ${bearer}` })
  const own = await verify(mina.token)
  t.match(own.headers, { 'x-latchkey-subject': String(mina.id), 'x-latchkey-role': 'user' })
  t.notOk('x-latchkey-scope' in own.headers)
  for (const bearer of [key, token]) {
    for (const query of ['', '?scope=', '?scope=invoices:write', '?scope=invoices', '?scope=profile']) {
      t.ok([400, 401, 403].includes((await verify(bearer, query)).statusCode), query)
    }
    t.equal((await verify(bearer, '?scope=invoices:write')).statusCode, 403)
    t.equal((await verify(bearer, '?scope=invoices:read&scope=invoices:read')).statusCode, 403)
  }
  const byKey = await verify(key, '?scope=invoices:read')
  t.equal(byKey.statusCode, 204)
  t.match(byKey.headers, {
    'x-latchkey-subject': String(mina.id),
    'x-latchkey-scope': 'invoices:read todos:read',
    'x-latchkey-client': 'latchkey',
  })
  const byClient = await verify(token, '?scope=invoices:read')
  t.match(byClient.headers, { 'x-latchkey-subject': 'billing', 'x-latchkey-client': 'billing' })
  for (const { headers } of [byKey, byClient]) {
    t.notOk('x-latchkey-role' in headers || 'x-latchkey-session' in headers)
  }
})

t.test('a first-party client may introspect an API key, and another client may not', async (t) => {
  const { service, mina } = await start(t)
  const { key } = await makeKey(mina, 'invoices:read')
  const api = await registerClient(service, 'api', { first_party: true, resources: ['http://latchkey.test'] })
  const other = await registerClient(service, 'other')
  const ask = async ({ id, secret }: typeof api) =>
    (await postForm(service, '/v1/introspect', { token: key }, basic(id, secret))).json()
  t.match(await ask(api), { active: true, sub: String(mina.id), scope: 'invoices:read', client_id: 'latchkey' })
  t.same(await ask(other), { active: false })
})

t.test('an account has a hundred keys at most', async (t) => {
  const { service, mina } = await start(t)
  const { db, tables } = service.app.database
  const { id } = await makeKey(mina, 'profile')
  const [row] = await db.select().from(tables.apiKeys).where(eq(tables.apiKeys.id, id))
  if (row === undefined) throw new Error('no key')
  const rows = Array.from({ length: 98 }, (_, n) => ({ ...row, id: `key-${n}`, keyHash: `hash-${n}` }))
  await db.insert(tables.apiKeys).values(rows)
  const answers = await Promise.all([1, 2, 3].map(() => mina.post('/v1/me/api-keys', asked('profile'))))
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [201, 409, 409])
})

function asked(scope: string) {
  return { name: 'script', scope, expires_at: new Date(Date.now() + DAY_MS).toISOString() }
}

async function makeKey(person: Person, scope: string) {
  const answer = await person.post('/v1/me/api-keys', asked(scope))
  if (answer.statusCode !== 201) throw new Error(`api-keys: ${answer.statusCode} ${answer.payload}`)
  return answer.json() as { id: string; key: string; name: string; scope: string }
}

function withKey(service: Service, key: string) {
  const headers = { authorization: `Bearer ${key}` }
  return {
    get: (url: string) => service.get(url, headers),
    post: (url: string, body: unknown) => service.post(url, body, headers),
    delete: (url: string) => service.request({ method: 'DELETE', url, headers }),
  }
}

async function start(t: Test): Promise<{ service: Service; mina: Person; joon: Person }> {
  const service = await startService(t)
  return { service, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}
