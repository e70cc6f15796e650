import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import t from 'tap'
import { claimsOf, type Service, startService } from '../helper.js'
import { basic, clientToken, postForm, registerClient } from '../support/oauth.js'
import { signUpAdmin } from '../support/people.js'

t.setTimeout(120_000)

const ISSUER = 'http://latchkey.test'
const GRANT = { grant_type: 'client_credentials' }
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const RSA = generateKeyPairSync('rsa', { modulusLength: 2_048 })

t.test('a client gets a token for itself: no session, no refresh token, no role', async (t) => {
  const service = await startService(t)
  const billing = await registerClient(service, 'billing', { scope: 'invoices:write users:read' })
  const answer = await postForm(service, '/v1/token', GRANT, basic(billing.id, billing.secret))
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['cache-control'], 'no-store')
  const { access_token, ...rest } = answer.json()
  t.same(rest, { token_type: 'Bearer', expires_in: 600, scope: 'invoices:write users:read' })
  const { iat, exp, jti, ...claims } = claimsOf(access_token)
  t.same(claims, {
    iss: ISSUER,
    aud: `${ISSUER}/client`,
    sub: 'billing',
    client_id: 'billing',
    scope: 'invoices:write users:read',
  })
  t.equal(Number(exp) - Number(iat), 600)
  t.type(jti, 'string')
  const { db, tables } = service.app.database
  for (const table of [tables.sessions, tables.clientAssertions, tables.revokedTokens, tables.events]) {
    const rows = (await db.select().from(table)) as { type?: string }[]
    t.same(
      rows.filter(({ type }) => type !== 'client.created'),
      [],
      'nothing is stored for the token',
    )
  }
})

t.test('a secret is accepted by Basic, encoded or not, and in the body', async (t) => {
  const service = await startService(t)
  const { id, secret } = await registerClient(service, 'my-client_1')
  const encoded = (text: string) => text.replace(/[^A-Za-z0-9]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  for (const headers of [basic(id, secret), basic(encoded(id), encoded(secret))]) {
    t.equal((await postForm(service, '/v1/token', GRANT, headers)).statusCode, 200)
    t.equal((await postForm(service, '/v1/token', { ...GRANT, client_id: id }, headers)).statusCode, 200)
  }
  t.equal((await postForm(service, '/v1/token', { ...GRANT, client_id: id, client_secret: secret })).statusCode, 200)
})

t.test('a client that does not authenticate gets no token, and a challenge only if it used Basic', async (t) => {
  const service = await startService(t)
  const { id, secret } = await registerClient(service, 'billing')
  const other = await registerClient(service, 'other')
  await registerClient(service, 'page', { token_endpoint_auth_method: 'none', redirect_uris: ['https://a.example/'] })
  const wrong: [Record<string, string>, Record<string, string>?][] = [
    [{}],
    [{ client_id: id }],
    [{ client_id: 'nobody' }],
    [{ client_id: 'nobody', client_secret: secret }],
    [{ client_id: id, client_secret: `${secret}x` }],
    [{ client_id: id, client_secret: other.secret }],
    [{ client_id: 'page', client_secret: secret }],
    [{}, basic(id, other.secret)],
    [{}, basic('nobody', secret)],
    [{}, basic('', secret)],
    [{ client_assertion_type: ASSERTION, client_assertion: 'x' }],
  ]
  for (const [fields, headers = {}] of wrong) {
    const answer = await postForm(service, '/v1/token', { ...GRANT, ...fields }, headers)
    t.match([answer.statusCode, answer.json()], [401, { error: 'invalid_client' }], JSON.stringify(fields))
    t.equal(answer.headers['www-authenticate'], headers.authorization ? 'Basic realm="latchkey"' : undefined)
  }
  for (const [fields, headers] of [
    [{ client_id: id, client_secret: secret }, basic(id, secret)],
    [{ client_id: other.id }, basic(id, secret)],
  ] as const) {
    const answer = await postForm(service, '/v1/token', { ...GRANT, ...fields }, headers)
    t.match([answer.statusCode, answer.json()], [400, { error: 'invalid_request' }])
  }
  const publicClient = await postForm(service, '/v1/token', { ...GRANT, client_id: 'page' })
  t.match([publicClient.statusCode, publicClient.json()], [400, { error: 'unauthorized_client' }])
})

t.test('both secrets work during a rotation, and the older one is rejected when it has ended', async (t) => {
  const service = await startService(t)
  const { clients } = service.app
  const first = await registerClient(service, 'billing')
  const { secret } = await clients.addSecret('billing', { id: null })
  for (const one of [first.secret, secret]) await t.resolves(clientToken(service, { id: 'billing', secret: one }))
  await clients.endOlderSecret('billing', { id: null })
  await t.resolves(clientToken(service, { id: 'billing', secret }))
  await t.rejects(clientToken(service, first), /invalid_client/)
  await clients.addSecret('billing', { id: null }, { atOnce: true })
  await t.rejects(clientToken(service, { id: 'billing', secret }), /invalid_client/)
})

t.test('a signed assertion authenticates a client once, by the registered key and algorithm', async (t) => {
  const service = await startService(t)
  await signer(service)
  await registerClient(service, 'other', { ...signedBy(EC.publicKey, 'e1') })
  const ask = async (assertion: string, more: Record<string, string> = {}) => {
    const fields = { ...GRANT, client_assertion_type: ASSERTION, client_assertion: assertion, ...more }
    return (await postForm(service, '/v1/token', fields)).statusCode
  }
  for (const aud of [ISSUER, `${ISSUER}/v1/token`]) {
    const assertion = await assertionOf({ aud })
    t.equal(await ask(assertion), 200, aud)
    t.equal(await ask(assertion), 401, 'the assertion was used')
  }
  t.equal(await ask(await assertionOf({}, { kid: 'r1', alg: 'RS256', key: RSA.privateKey })), 200)
  t.equal(await ask(await assertionOf({}, { kid: undefined })), 200, 'without a kid')
  const replay = await assertionOf({ jti: 'same' })
  const all = await Promise.all(Array.from({ length: 8 }, () => ask(replay)))
  t.equal(all.filter((status) => status === 200).length, 1, 'of eight at once one is accepted')
  const now = Math.floor(Date.now() / 1_000)
  const wrong: [string, string][] = [
    ['another audience', await assertionOf({ aud: 'https://evil.example' })],
    ['a list of audiences', await assertionOf({ aud: [ISSUER, 'https://evil.example'] })],
    ['a list of one', await assertionOf({ aud: [ISSUER] })],
    ['no expiry', await assertionOf({ exp: undefined })],
    ['expired', await assertionOf({ exp: now - 60 })],
    ['valid for a day', await assertionOf({ exp: now + 86_400 })],
    ['not valid yet', await assertionOf({ nbf: now + 600 })],
    ['no jti', await assertionOf({ jti: undefined })],
    ['an empty jti', await assertionOf({ jti: '' })],
    ['another issuer', await assertionOf({ iss: 'other' })],
    ['another subject', await assertionOf({ sub: 'other' })],
    ['another key', await assertionOf({}, { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey })],
    ['an unknown kid', await assertionOf({}, { kid: 'x' })],
    ['another algorithm of the key', await assertionOf({}, { kid: 'r1', alg: 'PS256', key: RSA.privateKey })],
    ['a token of another type', await assertionOf({}, { typ: 'at+jwt' })],
    ['HS256 with the public key', await hmacAssertion()],
    ['no signature', `${(await assertionOf({})).split('.').slice(0, 2).join('.')}.`],
  ]
  for (const [what, assertion] of wrong) t.equal(await ask(assertion), 401, what)
  t.equal(await ask(await assertionOf({}), { client_assertion_type: 'urn:x' }), 401)
  t.equal(await ask(await assertionOf({}), { client_id: 'other' }), 400)
  t.equal(await ask(await assertionOf({}), { client_id: 'signer' }), 200)
})

t.test('a token has only scopes that the client may have, never scopes of users', async (t) => {
  const service = await startService(t)
  const web = {
    grant_types: ['authorization_code', 'client_credentials'],
    redirect_uris: ['https://a.example/'],
  } as const
  const client = await registerClient(service, 'billing', {
    ...{ grant_types: [...web.grant_types], redirect_uris: [...web.redirect_uris] },
    scope: 'invoices:read invoices:write openid todos:read',
  })
  const scopeOf = async (scope: string) => claimsOf(await clientToken(service, client, { scope })).scope
  t.equal(await scopeOf(''), 'invoices:read invoices:write')
  t.equal(await scopeOf('invoices:write'), 'invoices:write')
  t.equal(await scopeOf('invoices:write invoices:read'), 'invoices:write invoices:read')
  for (const scope of [
    'users:read',
    'openid',
    'todos:read',
    'invoices:read users:write',
    'INVOICES:READ',
    'invoices:*',
  ]) {
    await t.rejects(clientToken(service, client, { scope }), /400 .*invalid_scope/, scope)
  }
  for (const scope of [' invoices:read', 'invoices:read  invoices:write', '"']) {
    await t.rejects(clientToken(service, client, { scope }), /400 .*invalid_/, scope)
  }
})

t.test('the audience is a resource of the client, or one that only Latchkey accepts', async (t) => {
  const service = await startService(t, { AUDIENCE: 'https://api.example.com' })
  const resources = ['https://invoices.example.com', 'urn:stock']
  const client = await registerClient(service, 'billing', { resources })
  const own = await registerClient(service, 'own', { first_party: true, resources: ['https://api.example.com'] })
  for (const resource of resources) {
    t.equal(claimsOf(await clientToken(service, client, { resource })).aud, resource)
  }
  t.equal(claimsOf(await clientToken(service, client)).aud, `${ISSUER}/client`)
  t.equal(claimsOf(await clientToken(service, own)).aud, 'https://api.example.com')
  for (const resource of ['https://api.example.com', 'https://invoices.example.com/', 'urn:other']) {
    await t.rejects(clientToken(service, client, { resource }), /400 .*invalid_target/, resource)
  }
  const twice = 'grant_type=client_credentials&resource=urn:stock&resource=urn:stock'
  const answer = await postForm(service, '/v1/token', twice, basic(client.id, client.secret))
  t.match([answer.statusCode, answer.json()], [400, { error: 'invalid_request' }])
})

t.test('a client token may call only what its scope names, and nothing that belongs to a user', async (t) => {
  const service = await startService(t)
  const client = await registerClient(service, 'billing', { scope: 'users:read' })
  const headers = { authorization: `Bearer ${await clientToken(service, client)}` }
  t.equal((await service.get('/v1/users', headers)).statusCode, 200)
  for (const url of ['/v1/events', '/v1/todos', '/v1/me', '/v1/sessions', '/v1/clients']) {
    t.match((await service.get(url, headers)).json(), { status: 403, code: 'insufficient_scope' }, url)
  }
})

t.test('a disabled or deleted client gets no token, and its existing tokens are rejected', async (t) => {
  const service = await startService(t)
  const { clients } = service.app
  const client = await registerClient(service, 'billing', { scope: 'users:read' })
  const headers = { authorization: `Bearer ${await clientToken(service, client)}` }
  await clients.update('billing', { is_active: false }, { id: null })
  t.equal((await service.get('/v1/users', headers)).statusCode, 401)
  await t.rejects(clientToken(service, client), /401 .*invalid_client/)
  await clients.update('billing', { is_active: true }, { id: null })
  t.equal((await service.get('/v1/users', headers)).statusCode, 200)
  await clients.delete('billing', { id: null })
  t.equal((await service.get('/v1/users', headers)).statusCode, 401)
  await t.rejects(clientToken(service, client), /401 .*invalid_client/)
})

t.test('a client cannot use the password grant or a refresh token of a first-party session', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const client = await registerClient(service, 'web', {
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['https://app.example.com/cb'],
  })
  const headers = basic(client.id, client.secret)
  const password = { grant_type: 'password', username: 'mina', password: 'three quiet lanterns' }
  t.match((await postForm(service, '/v1/token', password, headers)).json(), { error: 'unauthorized_client' })
  const refresh = { grant_type: 'refresh_token', refresh_token: mina.login.refresh_token }
  t.match((await postForm(service, '/v1/token', refresh, headers)).json(), { error: 'invalid_grant' })
  t.equal((await postForm(service, '/v1/token', refresh)).statusCode, 200, 'the session has not ended')
})

t.test('wrong secrets take from the budget of their network, and correct ones do not', async (t) => {
  const service = await startService(t, { RATE_LIMIT: '3' })
  const client = await registerClient(service, 'billing')
  for (let n = 0; n < 10; n += 1) await t.resolves(clientToken(service, client))
  const wrong = () => postForm(service, '/v1/token', GRANT, basic('billing', 'wrong'))
  for (const status of [401, 401, 401, 429]) t.equal((await wrong()).statusCode, status)
  await t.resolves(clientToken(service, client), 'a correct secret still works')
  const boss = service.app.database
  const events = await boss.db.select().from(boss.tables.events)
  const refused = events.filter(({ type }) => type === 'client.refused')
  t.same(
    refused.map(({ reason }) => reason),
    ['billing'],
    'the refusal is recorded once, with the client',
  )
})

t.test('the metadata document of the server lists its endpoints, grants and methods', async (t) => {
  const service = await startService(t)
  const answer = await service.get('/.well-known/oauth-authorization-server')
  t.equal(answer.headers['access-control-allow-origin'], '*')
  const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']
  t.match(answer.json(), {
    introspection_endpoint: `${ISSUER}/v1/introspect`,
    revocation_endpoint: `${ISSUER}/v1/revoke`,
    grant_types_supported: ['password', 'client_credentials', 'refresh_token'],
    token_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: methods.slice(0, 3),
    revocation_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'],
  })
  await signUpAdmin(service, 'boss')
})

function signedBy(key: KeyObject, kid: string) {
  return {
    token_endpoint_auth_method: 'private_key_jwt' as const,
    jwks: { keys: [{ ...key.export({ format: 'jwk' }), kid }] },
  }
}

async function signer(service: Service): Promise<void> {
  const keys = [
    { ...EC.publicKey.export({ format: 'jwk' }), kid: 'e1' },
    { ...RSA.publicKey.export({ format: 'jwk' }), kid: 'r1' },
  ]
  await registerClient(service, 'signer', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } })
}

interface Header {
  kid?: string | undefined
  alg?: string
  typ?: string
  key?: KeyObject
}

/** An assertion of the client `signer`, valid except for these claims and this header. */
function assertionOf(claims: Record<string, unknown>, header: Header = {}): Promise<string> {
  const { kid = 'kid' in header ? undefined : 'e1', alg = 'ES256', typ, key = EC.privateKey } = header
  const now = Math.floor(Date.now() / 1_000)
  const all = { iss: 'signer', sub: 'signer', aud: ISSUER, iat: now, exp: now + 60, jti: randomUUID(), ...claims }
  const given = JSON.parse(JSON.stringify(all))
  return new SignJWT(given).setProtectedHeader({ alg, ...(kid && { kid }), ...(typ && { typ }) }).sign(key)
}

/** Attack by algorithm confusion: the public key is used as the secret of an HMAC. */
function hmacAssertion(): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const claims = { iss: 'signer', sub: 'signer', aud: ISSUER, exp: now + 60, jti: randomUUID() }
  const pem = EC.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'e1' }).sign(Buffer.from(pem))
}
