import t, { type Test } from 'tap'
import { claimsOf, startService } from '../helper.js'
import { basic, clientToken, postForm, registerClient } from '../support/oauth.js'
import { ALIVE, sessionStatus } from '../support/people.js'

t.setTimeout(120_000)

const ISSUER = 'http://latchkey.test'
const INACTIVE = { active: false }

t.test('a client can introspect its own tokens and those for its resources, and no others', async (t) => {
  const { service, billing, invoices, stranger } = await start(t)
  const own = await clientToken(service, billing)
  const meant = await clientToken(service, billing, { resource: 'https://invoices.example.com' })
  const { iat, exp, jti } = claimsOf(own)
  const asked = await ask(service, billing, own)
  t.equal(asked.headers['cache-control'], 'no-store')
  t.same(asked.json(), {
    active: true,
    iss: ISSUER,
    aud: `${ISSUER}/client`,
    sub: 'billing',
    client_id: 'billing',
    scope: 'users:read invoices:write',
    token_type: 'Bearer',
    ...{ jti, iat, exp },
  })
  t.match((await ask(service, invoices, meant)).json(), { active: true, aud: 'https://invoices.example.com' })
  for (const [client, token] of [
    [invoices, own],
    [stranger, own],
    [stranger, meant],
  ] as const) {
    t.same((await ask(service, client, token)).json(), INACTIVE)
  }
})

t.test('an invalid, foreign or ended token is inactive, and the response says nothing else', async (t) => {
  const { service, billing, mina } = await start(t)
  const token = await clientToken(service, billing)
  const [header, payload, signature] = token.split('.')
  const forged = Buffer.from(JSON.stringify({ ...claimsOf(token), scope: 'users:write' })).toString('base64url')
  const nothing = [
    'x',
    'lkr_x',
    'lkk_x',
    `${header}.${payload}.`,
    `${header}.${forged}.${signature}`,
    mina.token,
    mina.login.refresh_token,
    `lkk_${'A'.repeat(64)}`,
  ]
  for (const one of nothing) t.same((await ask(service, billing, one)).json(), INACTIVE, one.slice(0, 20))
  t.equal((await ask(service, billing, token)).json().active, true)
  await service.app.clients.update('billing', { is_active: false }, { id: null })
  const invoices = await registerClient(service, 'auditor', { resources: [`urn:x`] })
  t.equal((await ask(service, invoices, token)).json().active, false)
  t.equal((await ask(service, billing, token)).statusCode, 401, 'a disabled client cannot introspect')
})

t.test('a first-party client can introspect the access tokens of users until they end', async (t) => {
  const { service, mina } = await start(t)
  const api = await registerClient(service, 'api', { first_party: true, resources: [ISSUER] })
  t.match((await ask(service, api, mina.token)).json(), { active: true, sub: String(mina.id), client_id: 'latchkey' })
  t.same((await ask(service, api, mina.login.refresh_token)).json(), INACTIVE, 'refresh tokens cannot be introspected')
  await mina.post('/v1/logout')
  t.same((await ask(service, api, mina.token)).json(), INACTIVE)
})

t.test('introspection and revocation need an authenticated client', async (t) => {
  const { service, billing } = await start(t)
  const token = await clientToken(service, billing)
  for (const url of ['/v1/introspect', '/v1/revoke']) {
    for (const [fields, headers] of [
      [{}, {}],
      [{ client_id: 'billing' }, {}],
      [{}, basic('billing', 'wrong')],
      [{}, { authorization: `Bearer ${token}` }],
    ] as const) {
      const answer = await postForm(service, url, { token, ...fields }, headers)
      t.match([answer.statusCode, answer.json()], [401, { error: 'invalid_client' }])
    }
    const none = await postForm(service, url, {}, basic(billing.id, billing.secret))
    t.match([none.statusCode, none.json()], [400, { error: 'invalid_request' }])
    const twice = await postForm(service, url, `token=${token}&token=x`, basic(billing.id, billing.secret))
    t.match([twice.statusCode, twice.json()], [400, { error: 'invalid_request' }])
  }
  t.equal((await ask(service, billing, token)).json().active, true)
  const redirect_uris = ['https://app.example/callback']
  await registerClient(service, 'open', { token_endpoint_auth_method: 'none', redirect_uris })
  const open = await postForm(service, '/v1/introspect', { client_id: 'open', token })
  t.match([open.statusCode, open.json()], [401, { error: 'invalid_client' }], 'a public client')
})

t.test('a client revokes its own token, here at once and in other processes with the next poll', async (t) => {
  const { service, billing, stranger } = await start(t)
  const [token, other] = [await clientToken(service, billing), await clientToken(service, billing)]
  const bearer = { authorization: `Bearer ${token}` }
  const refused = await end(service, stranger, token)
  t.match([refused.statusCode, refused.json()], [400, { error: 'invalid_grant' }])
  t.equal((await service.get('/v1/users', bearer)).statusCode, 200)
  for (let n = 0; n < 2; n += 1) {
    const answer = await end(service, billing, token)
    t.match([answer.statusCode, answer.payload], [200, ''])
  }
  t.equal((await service.get('/v1/users', bearer)).statusCode, 401)
  t.same((await ask(service, billing, token)).json(), INACTIVE)
  t.equal((await ask(service, billing, other)).json().active, true, 'the other token stays active')
  const { Revocations } = await import('../../src/sessions/revocations.js')
  const { TokenRevocations } = await import('../../src/clients/token-revocations.js')
  const revocations = new Revocations(service.app.database)
  const { VerifiedTokens } = await import('../../src/clients/verified-tokens.js')
  const { config, database, keys, sessions } = service.app
  const tokens = new VerifiedTokens(config, keys)
  const replica = new TokenRevocations({ database, sessions, revocations, tokens })
  await replica.poll()
  t.ok(revocations.has(String(claimsOf(token).jti)))
  t.notOk(revocations.has(String(claimsOf(other).jti)))
})

t.test('a token with the longest scope is accepted, introspected and revoked', async (t) => {
  const { service } = await start(t)
  const words = Array.from({ length: 64 }, (_, index) => `word${index}:`.padEnd(64, 'x'))
  const large = await registerClient(service, 'large', { scope: words.join(' ') })
  const token = await clientToken(service, large)
  const verify = () => service.get(`/v1/verify?scope=${words[63]}`, { authorization: `Bearer ${token}` })
  t.equal((await verify()).statusCode, 204)
  t.match((await ask(service, large, token)).json(), { active: true, scope: words.join(' ') })
  t.equal((await end(service, large, token)).statusCode, 200)
  t.equal((await verify()).statusCode, 401)
})

t.test('revoking an unknown token, or a token of a user, ends nothing', async (t) => {
  const { service, billing, mina } = await start(t)
  for (const token of ['x', 'lkr_x', 'lkk_x', 'a.b.c']) {
    t.equal((await end(service, billing, token)).statusCode, 200, token)
  }
  for (const token of [mina.token, mina.login.refresh_token]) {
    t.match((await end(service, billing, token)).json(), { error: 'invalid_grant' })
  }
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('the session of a client is refreshed, introspected and revoked by that client alone', async (t) => {
  const { service, mina } = await start(t)
  const grants = { grant_types: ['authorization_code', 'refresh_token'] as ('authorization_code' | 'refresh_token')[] }
  const redirects = { redirect_uris: ['https://app.example.com/cb'] }
  const scopes = { scope: 'profile email todos:read roles' }
  const web = await registerClient(service, 'web', { ...grants, ...redirects, ...scopes })
  const rival = await registerClient(service, 'rival', { ...grants, ...redirects, ...scopes })
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ roles: 'editor' })
  await db.update(tables.sessions).set({ clientId: 'web', scope: 'profile todos:read' })
  const agreed = await service.app.clients.get('web')
  await service.app.consents.grant(agreed, { userId: mina.id, scope: 'profile todos:read' }, { ip: '127.0.0.1' })
  let token = mina.login.refresh_token
  const refresh = (client: typeof web, fields: Record<string, string> = {}) =>
    postForm(
      service,
      '/v1/token',
      { grant_type: 'refresh_token', refresh_token: token, ...fields },
      basic(client.id, client.secret),
    )
  t.match((await ask(service, web, token)).json(), { active: true, sub: String(mina.id), scope: 'profile todos:read' })
  t.same((await ask(service, rival, token)).json(), INACTIVE)
  t.match((await refresh(rival)).json(), { error: 'invalid_grant' })
  t.match((await service.post('/v1/refresh', { refresh_token: token })).json(), { code: 'invalid_grant' })
  for (const scope of ['email', 'profile todos:write', 'roles']) {
    t.match((await refresh(web, { scope })).json(), { error: 'invalid_scope' }, scope)
  }
  const whole = (await refresh(web)).json()
  t.match(whole, { scope: 'profile todos:read', token_type: 'Bearer' })
  t.match(claimsOf(whole.access_token), {
    client_id: 'web',
    aud: `${ISSUER}/client`,
    sub: String(mina.id),
    roles: undefined,
  })
  token = whole.refresh_token
  const narrow = (await refresh(web, { scope: 'profile' })).json()
  t.equal(narrow.scope, 'profile')
  const bearer = { authorization: `Bearer ${narrow.access_token}` }
  t.equal((await service.get('/v1/me', bearer)).statusCode, 200)
  t.equal((await service.get('/v1/todos', bearer)).statusCode, 403)
  token = narrow.refresh_token
  const again = (await refresh(web)).json()
  t.equal(again.scope, 'profile todos:read', 'the granted scope is unchanged')
  await service.app.clients.update('web', { scope: 'profile' }, { id: null })
  for (const issued of [again.refresh_token, again.access_token]) {
    t.equal((await ask(service, web, issued)).json().scope, 'profile', 'introspection shows the reduced scope')
  }
  const later = (await refresh(web)).json()
  t.equal(later.scope, 'profile', 'a new token has the reduced scope')
  t.match((await end(service, rival, later.refresh_token)).json(), { error: 'invalid_grant' })
  t.equal((await end(service, web, later.refresh_token)).statusCode, 200)
  t.same((await ask(service, web, later.access_token)).json(), INACTIVE)
  const events = await db.select().from(tables.events)
  t.match(events.at(-1), { type: 'session.ended', actorId: null, actorClientId: 'web', userId: mina.id })
})

type Started = Awaited<ReturnType<typeof start>>

function ask(service: Started['service'], { id, secret }: { id: string; secret: string }, token: string) {
  return postForm(service, '/v1/introspect', { token }, basic(id, secret))
}

function end(service: Started['service'], { id, secret }: { id: string; secret: string }, token: string) {
  return postForm(service, '/v1/revoke', { token }, basic(id, secret))
}

async function start(t: Test) {
  const service = await startService(t)
  const resources = ['https://invoices.example.com']
  return {
    service,
    mina: await service.signUp('mina'),
    billing: await registerClient(service, 'billing', { scope: 'users:read invoices:write', resources }),
    invoices: await registerClient(service, 'invoices', { resources }),
    stranger: await registerClient(service, 'stranger'),
  }
}
