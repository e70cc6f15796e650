import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { isRegisteredUri } from '../../src/clients/redirect-uris.js'
import { type Person, type Service, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'

t.setTimeout(120_000)

const SECRET = /^lks_[\w-]{43}$/
const PUBLIC_JWK = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })

t.test('an admin registers a client, and its secret is shown once', async (t) => {
  const { service, boss } = await start(t)
  const client_name = '🧾'.repeat(100)
  const made = await boss.post('/v1/clients', { client_id: 'billing', client_name, scope: 'invoices:write' })
  t.equal(made.statusCode, 201)
  t.equal(made.headers.location, '/v1/clients/billing')
  const { client_secret: secret, ...client } = made.json()
  t.match(secret, SECRET)
  t.match(client, {
    client_id: 'billing',
    client_name,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    scope: 'invoices:write',
    first_party: false,
    is_active: true,
    secrets: 1,
  })
  for (const url of ['/v1/clients', '/v1/clients/billing', '/v1/events']) {
    t.notMatch((await boss.get(url)).payload, secret, url)
  }
  t.same((await boss.get('/v1/clients/billing')).json(), client)
  const { db, tables } = service.app.database
  t.notMatch(JSON.stringify(await db.select().from(tables.clients)), secret, 'the database does not hold the secret')
})

t.test('a client_id is generated if none is given, and one that looks like a user id is rejected', async (t) => {
  const { boss } = await start(t)
  const { client_id } = (await boss.post('/v1/clients', { client_name: 'Nobody in particular' })).json()
  t.match(client_id, /^client_[\w-]{16}$/)
  for (const id of ['7', '12345', 'ab', '-abc', '_abc', 'a b c', 'ümlaut', 'latchkey', 'Latchkey', 'x'.repeat(65)]) {
    const answer = await boss.post('/v1/clients', { client_id: id, client_name: 'X' })
    t.equal(answer.statusCode, 400, id)
  }
})

t.test('a client_id is never given out again, even after its client was deleted', async (t) => {
  const { boss } = await start(t)
  const billing = { client_id: 'billing', client_name: 'Billing' }
  t.equal((await boss.post('/v1/clients', billing)).statusCode, 201)
  t.match((await boss.post('/v1/clients', billing)).json(), { status: 409, code: 'client_id_taken' })
  t.equal((await boss.delete('/v1/clients/billing')).statusCode, 204)
  t.match((await boss.post('/v1/clients', billing)).json(), { status: 409, code: 'client_id_taken' })
  for (const request of [boss.get('/v1/clients/billing'), boss.patch('/v1/clients/billing', { scope: 'x' })]) {
    t.equal((await request).statusCode, 404)
  }
  t.equal((await boss.post('/v1/clients/billing/secrets')).statusCode, 404)
  t.same((await boss.get('/v1/clients')).json(), { items: [], next_cursor: null })
})

t.test('a client has two secrets during a rotation, never three', async (t) => {
  const { boss } = await start(t)
  await boss.post('/v1/clients', { client_id: 'billing', client_name: 'Billing' })
  const second = await boss.post('/v1/clients/billing/secrets')
  t.match(second.json(), { client_id: 'billing', client_secret: SECRET })
  t.equal((await boss.get('/v1/clients/billing')).json().secrets, 2)
  t.match((await boss.post('/v1/clients/billing/secrets')).json(), { status: 409, code: 'too_many_secrets' })
  for (const left of [1, 1]) {
    t.equal((await boss.delete('/v1/clients/billing/secrets')).statusCode, 204)
    t.equal((await boss.get('/v1/clients/billing')).json().secrets, left)
  }
  await boss.post('/v1/clients', { client_id: 'signer', client_name: 'S', ...signed() })
  t.match((await boss.post('/v1/clients/signer/secrets')).json(), { status: 400, code: 'client_rejected' })
})

t.test('inconsistent or unsafe client metadata is rejected with the reason', async (t) => {
  const { boss } = await start(t)
  const web = { grant_types: ['authorization_code'], redirect_uris: ['https://app.example.com/cb'] }
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ token_endpoint_auth_method: 'private_key_jwt' }, /needs jwks/],
    [{ jwks: { keys: [PUBLIC_JWK] } }, /jwks is only for/],
    [{ ...signed(), jwks: { keys: [] } }, /1 to 8 keys/],
    [{ ...signed(), jwks: { keys: [{ ...PUBLIC_JWK, d: 'x' }] } }, /contains `d`/],
    [{ ...signed(), jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } }, /contains `k`/],
    [{ ...signed(), jwks: { keys: [{ ...PUBLIC_JWK, alg: 'HS256' }] } }, /`alg` that fits/],
    [{ ...signed(), jwks: { keys: [{ ...PUBLIC_JWK, x: 'AAAA' }] } }, /not a valid public key/],
    [{ token_endpoint_auth_method: 'none' }, /cannot keep a secret/],
    [{ grant_types: ['client_credentials', 'refresh_token'] }, /needs authorization_code/],
    [{ grant_types: ['authorization_code'] }, /needs at least one/],
    [{ grant_types: ['client_credentials'], redirect_uris: web.redirect_uris }, /are only for the grant/],
    [{ scope: 'todos:read' }, /todos:read needs a user/],
    [{ scope: 'openid' }, /openid needs a user/],
    [{ resources: ['api.example.com'] }, /absolute URI/],
    [{ resources: ['https://api.example.com/#x'] }, /no fragment/],
    [{ resources: ['http://latchkey.test/client'] }, /audience of Latchkey/],
    [{ resources: ['http://latchkey.test/compat'] }, /audience of Latchkey/],
    [{ resources: ['http://latchkey.test'] }, /only first_party clients/],
    [{ client_name: 'a\u202eb' }, /invisible/],
    ...[
      'http://app.example.com/cb',
      'http://localhost.example.com/cb',
      'http://localhost@evil.example/cb',
      'https://app.example.com/cb#x',
      'https://mina:pw@app.example.com/',
      'https://app.example.com/a b',
      'https:app.example.com/cb',
      'https:///cb',
      'javascript:alert(1)',
      'data:text/html,x',
      'com.example.app:/cb',
      'myapp:/cb',
      '/cb',
      'https://app.example.com\\@evil.example/',
      'http://127.0.0.1.evil.example/cb',
      'http://2130706433/cb',
    ].map((uri): [Record<string, unknown>, RegExp] => [{ ...web, redirect_uris: [uri] }, /./]),
  ]
  for (const [fields, says] of refused) {
    const { detail, status, code } = (await boss.post('/v1/clients', { client_name: 'X', ...fields })).json()
    t.match({ status, code }, { status: 400, code: 'client_rejected' }, JSON.stringify(fields))
    t.match(detail, says)
  }
  t.same((await boss.get('/v1/clients')).json().items, [])
})

t.test('https, loopback and private-use redirect addresses can be registered', async (t) => {
  const { boss } = await start(t)
  const loopback = ['http://localhost:5173/cb', 'http://127.0.0.1/cb', 'http://[::1]:8080/cb']
  const redirect_uris = ['https://app.example.com/cb?x=1', ...loopback]
  t.equal((await boss.post('/v1/clients', { client_name: 'Web', redirect_uris })).statusCode, 201)
  const own = { token_endpoint_auth_method: 'none', redirect_uris: ['com.example.app:/cb'] }
  const { client_secret, ...phone } = (await boss.post('/v1/clients', { client_name: 'Phone', ...own })).json()
  t.equal(client_secret, undefined)
  t.match(phone, { secrets: 0, grant_types: ['authorization_code'] })
})

t.test('a redirect address is compared exactly, but for the port of a loopback address', async (t) => {
  const registered = ['https://app.example.com/cb', 'http://127.0.0.1/cb', 'com.example.app:/cb']
  for (const uri of [...registered, 'http://127.0.0.1:53123/cb']) t.ok(isRegisteredUri(uri, registered), uri)
  for (const uri of [
    'https://app.example.com/cb/',
    'https://app.example.com/cb?x',
    'https://app.example.com:444/cb',
    'https://APP.example.com/cb',
    'http://127.0.0.1:53123/cb2',
    'http://127.0.0.1:99999/cb',
    'http://127.0.0.1:1@evil.example/cb',
    'http://[::1]/cb',
    'http://localhost/cb',
    'com.example.app:/cb2',
  ]) {
    t.notOk(isRegisteredUri(uri, registered), uri)
  }
})

t.test('a change of a client is checked as a whole, recorded, and applied at once', async (t) => {
  const { service, boss } = await start(t)
  await boss.post('/v1/clients', { client_id: 'billing', client_name: 'Billing' })
  const changed = await boss.patch('/v1/clients/billing', { scope: 'b a b', resources: ['https://api.example.com'] })
  t.match(changed.json(), { scope: 'b a', resources: ['https://api.example.com'], client_name: 'Billing' })
  t.equal((await boss.patch('/v1/clients/billing', { scope: 'email' })).statusCode, 400)
  t.equal((await boss.patch('/v1/clients/billing', { token_endpoint_auth_method: 'none' })).statusCode, 400)
  t.equal((await boss.patch('/v1/clients/billing', { ...signed() })).statusCode, 400, 'the client has a secret')
  t.equal((await boss.patch('/v1/clients/billing', { is_active: false })).json().is_active, false)
  t.equal(service.app.knownClients.find('billing')?.isActive, false)
  await boss.patch('/v1/clients/billing', { is_active: false })
  const events = (await boss.get('/v1/events')).json().items.filter(({ type }: { type: string }) => /client/.test(type))
  t.match(events, [
    { type: 'client.disabled', actor_id: boss.id, user_id: null, actor_client_id: null, reason: 'billing' },
    { type: 'client.updated', reason: 'billing: scope resources' },
    { type: 'client.created', reason: 'billing' },
  ])
  t.equal(events.length, 3)
})

t.test('the list of clients is paged, and rejects the cursor of another list', async (t) => {
  const { boss } = await start(t)
  const longest = 'bb1'.padEnd(64, '-')
  for (const id of ['cc1', 'aa1', longest]) await boss.post('/v1/clients', { client_id: id, client_name: id })
  const first = (await boss.get('/v1/clients?limit=2')).json()
  t.match(first, { items: [{ client_id: 'aa1' }, { client_id: longest }] })
  const second = (await boss.get(`/v1/clients?limit=2&cursor=${first.next_cursor}`)).json()
  t.match(second, { items: [{ client_id: 'cc1' }], next_cursor: null })
  const { next_cursor } = (await boss.get('/v1/users?limit=1')).json()
  t.match((await boss.get(`/v1/clients?cursor=${next_cursor}`)).json(), { status: 400, code: 'invalid_cursor' })
})

t.test('a replica finds a client that another process registered, and learns its changes by polling', async (t) => {
  const { service, boss } = await start(t)
  const { KnownClients } = await import('../../src/clients/known-clients.js')
  const replica = new KnownClients(service.app.database)
  await replica.poll()
  await boss.post('/v1/clients', { client_id: 'billing', client_name: 'Billing' })
  t.equal(replica.find('billing'), undefined)
  const all = await Promise.all(Array.from({ length: 50 }, () => replica.lookUp('billing')))
  t.ok(all.every((client) => client?.id === 'billing'))
  await boss.patch('/v1/clients/billing', { is_active: false })
  await replica.poll()
  t.equal(replica.find('billing')?.isActive, false)
  await boss.delete('/v1/clients/billing')
  await replica.poll()
  t.equal(replica.find('billing'), undefined)
})

t.test('a user who is not, or no longer, an admin cannot register a client', async (t) => {
  const { service, boss } = await start(t)
  const mina = await service.signUp('mina')
  t.equal((await mina.post('/v1/clients', { client_name: 'X' })).statusCode, 403)
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ role: 'user' })
  t.equal((await boss.post('/v1/clients', { client_name: 'X' })).statusCode, 401, 'the role is read from the database')
  t.same(await db.select().from(tables.clients), [])
})

function signed() {
  return { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [PUBLIC_JWK] } }
}

async function start(t: Test): Promise<{ service: Service; boss: Person }> {
  const service = await startService(t)
  return { service, boss: await signUpAdmin(service, 'boss') }
}
