import { createHash } from 'node:crypto'
import { and, eq, ne } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import { type Registration, withDefaults } from '../../src/clients/registration.js'
import { IdTokenKeys } from '../../src/tokens/id-token-keys.js'
import { claimsOf, type Service } from '../helper.js'
import { answerOf, cookieOf, exchange, FORM, GOOD, ISSUER, logIn, OURS, start } from './shop.js'

t.setTimeout(120_000)

const SCOPE = 'openid profile email roles offline_access todos:read'

t.test('an id_token tells its client who logged in, and verifies with a standard library', async (t) => {
  const { service, mina } = await startOpenId(t)
  await service.app.administration.change(mina.id, { roles: 'editor' }, { id: null })
  await mina.patch('/v1/me', { name: 'Mina Kim', current_password: 'three quiet lanterns' })
  const configuration = (await service.get('/.well-known/openid-configuration')).json()
  t.match(configuration, {
    issuer: ISSUER,
    authorization_endpoint: `${ISSUER}/authorize`,
    userinfo_endpoint: `${ISSUER}/v1/userinfo`,
    end_session_endpoint: `${ISSUER}/account/logout`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    scopes_supported: /openid/,
    id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  })
  for (const [name, value] of Object.entries(configuration)) {
    if (/_(endpoint|uri)$/.test(name)) t.match(value, new RegExp(`^${ISSUER}/`), name)
  }
  for (const [client, alg] of [
    ['shop', 'RS256'],
    ['app', 'ES256'],
  ] as const) {
    const own = { client_id: client, redirect_uri: `https://${client}.example/callback` }
    const answer = await tokensOf(service, { ...own, nonce: 'n-0S6', scope: 'openid profile email roles' })
    const keys = (await service.get(new URL(configuration.jwks_uri).pathname)).json() as JSONWebKeySet
    const { payload, protectedHeader } = await jwtVerify(answer.id_token, createLocalJWKSet(keys), {
      ...{ issuer: ISSUER, audience: client, algorithms: [alg] },
    })
    t.match(protectedHeader, { alg, typ: 'JWT', kid: /^[\w-]{43}$/ })
    const access = claimsOf(answer.access_token)
    t.match(payload, {
      ...{ sub: String(mina.id), aud: client, nonce: 'n-0S6', amr: ['pwd'], auth_time: access.auth_time },
      ...{ name: 'Mina Kim', preferred_username: 'mina', roles: ['editor'] },
      at_hash: createHash('sha256').update(answer.access_token).digest().subarray(0, 16).toString('base64url'),
    })
    t.equal(Number(payload.exp) - Number(payload.iat), answer.expires_in)
    t.equal(payload.sid, await parentOf(service, String(access.sid)), 'sid names the browser session')
    for (const missing of ['email', 'email_verified', 'role', 'locale']) t.notOk(missing in payload, missing)
  }
  const bare = await tokensOf(service, { scope: 'openid' })
  const claims = claimsOf(bare.id_token)
  for (const missing of ['nonce', 'name', 'preferred_username', 'roles', 'email']) t.notOk(missing in claims, missing)
  t.notOk('id_token' in (await tokensOf(service, { scope: 'profile' })))
})

t.test('a code with a long nonce, scope and addresses is exchanged', async (t) => {
  const { service } = await start(t)
  const [resource, redirect_uri] = ['https://api.example/', 'https://shop.example/'].map((start) =>
    start.padEnd(512, 'x'),
  )
  const words = Array.from({ length: 20 }, (_, index) => `s${index}`.padEnd(64, 'x'))
  const registration = {
    resources: [`${resource}`],
    redirect_uris: [`${redirect_uri}`],
    scope: ['openid', ...words].join(' '),
  }
  await service.app.clients.update('shop', registration, { id: null })
  for (const nonce of ['\u0001'.repeat(512), '가'.repeat(512)]) {
    const asked = { ...GOOD, scope: registration.scope, resource, redirect_uri, nonce }
    const page = await logIn(service, asked)
    const { statusCode, body } = await exchange(service, { ...answerOf(page), redirect_uri: `${redirect_uri}` })
    t.equal(statusCode, 200, body)
    t.equal(claimsOf(JSON.parse(body).id_token).nonce, nonce)
  }
})

t.test('UserInfo returns the claims of the scopes that were granted', async (t) => {
  const { service, mina } = await startOpenId(t)
  await mina.patch('/v1/me', { email: 'mina@example.com', current_password: 'three quiet lanterns' })
  const ask = async (scope: string) => {
    const { access_token } = await tokensOf(service, { scope })
    return service.get('/v1/userinfo', { authorization: `Bearer ${access_token}` })
  }
  t.same((await ask('openid')).json(), { sub: String(mina.id) })
  t.match((await ask('openid email')).json(), { email: 'mina@example.com', email_verified: false })
  const profile = (await ask('openid profile')).json()
  t.match(profile, { preferred_username: 'mina' })
  t.notOk('email' in profile)
  t.notOk('roles' in profile)
  const refused = await ask('profile email')
  t.match([refused.statusCode, refused.json()], [403, { code: 'insufficient_scope' }])
  const { access_token: wide } = await tokensOf(service, { scope: 'openid profile email roles' })
  await service.app.clients.update('shop', { scope: 'openid profile' }, { id: null })
  const less = (await service.get('/v1/userinfo', { authorization: `Bearer ${wide}` })).json()
  t.same(Object.keys(less).sort(), ['preferred_username', 'sub'], 'scopes that the client has lost are left out')
  await service.app.clients.update('shop', { scope: SCOPE }, { id: null })
  t.match((await mina.get('/v1/userinfo')).json(), { sub: String(mina.id), email: 'mina@example.com', roles: [] })
  const { access_token } = await tokensOf(service, { scope: 'openid' })
  const posted = await service.post('/v1/userinfo', '', { ...FORM, authorization: `Bearer ${access_token}` })
  t.same([posted.statusCode, posted.json()], [200, { sub: String(mina.id) }])
  t.match((await service.get('/v1/userinfo')).json(), { code: 'missing_token' })
})

t.test('an id_token is not accepted as an access token, and its key verifies only id_tokens', async (t) => {
  const { service } = await startOpenId(t)
  for (const client_id of ['shop', 'app']) {
    const { id_token } = await tokensOf(service, { client_id, redirect_uri: `https://${client_id}.example/callback` })
    const authorization = `Bearer ${id_token}`
    for (const url of ['/v1/me', '/v1/userinfo', '/v1/verify']) {
      t.match((await service.get(url, { authorization })).json(), { code: 'invalid_token' }, url)
    }
    const asked = await service.post(
      '/v1/introspect',
      new URLSearchParams({ token: id_token, ...(await robot(service)) }).toString(),
      FORM,
    )
    t.same(asked.json(), { active: false })
    const { kid } = decodeProtectedHeader(id_token)
    const access = (await service.get('/.well-known/jwks.json')).json().keys
    t.notOk(access.some((key: { kid: string }) => key.kid === kid))
    t.equal(service.app.keys.find(kid), undefined)
  }
  // Attack: an attacker who can write to the database must not turn a key for id_tokens into a key for access tokens.
  const { db, tables } = service.app.database
  const isOfIdTokens = and(eq(tables.signingKeys.use, 'id_token'), eq(tables.signingKeys.alg, 'ES256'))
  const [row] = await db.update(tables.signingKeys).set({ use: 'access' }).where(isOfIdTokens).returning()
  await service.app.keys.reload()
  t.equal(service.app.keys.find(row?.kid), undefined)
  t.match(service.app.keys.warning(), `${row?.kid}`)
})

t.test('keys of id_tokens are made when a client needs them, and rotate apart from access token keys', async (t) => {
  const { service } = await start(t)
  const { app } = service
  const published = async () => (await service.get('/.well-known/openid-jwks.json')).json().keys
  for (const alg of app.knownClients.idTokenAlgorithms()) await app.idTokenKeys.ensure(alg)
  const [first, ...others] = await published()
  t.match([first.alg, first.kty, others.length], ['RS256', 'RSA', 0], 'only the algorithm that the clients need')
  t.notOk('d' in first)
  const before = (await service.get('/.well-known/jwks.json')).json()
  const again = await IdTokenKeys.open(app.database, app.secret)
  await Promise.all([
    again.ensure('RS256'),
    app.idTokenKeys.ensure('RS256'),
    again.ensure('ES256'),
    app.idTokenKeys.ensure('ES256'),
  ])
  await app.idTokenKeys.reload()
  t.same(
    (await published()).map(({ alg }: { alg: string }) => alg),
    ['RS256', 'ES256'],
  )
  const old = (await tokensOf(service, { scope: 'openid' })).id_token
  t.equal((await app.idTokenKeys.rotate()).length, 2)
  t.equal((await published()).length, 4)
  t.equal(kidOf((await tokensOf(service, { scope: 'openid' })).id_token), first.kid, 'the next key does not sign yet')
  t.ok(await app.idTokenKeys.retire(first.kid))
  t.not(kidOf((await tokensOf(service, { scope: 'openid' })).id_token), first.kid)
  t.equal(app.idTokenKeys.read(old), undefined)
  t.notOk(await app.idTokenKeys.retire('unknown'))
  t.notOk(await app.keys.retire((await published())[0].kid), 'the key set of access tokens retires no key of id_tokens')
  t.same((await service.get('/.well-known/jwks.json')).json(), before, 'the keys of access tokens are unchanged')
  const etag = String((await service.get('/.well-known/openid-jwks.json')).headers.etag)
  t.equal((await service.get('/.well-known/openid-jwks.json', { 'if-none-match': etag })).statusCode, 304)

  const { db, tables } = app.database
  await db.update(tables.signingKeys).set({ sealedPrivateKey: 'stranger' }).where(ne(tables.signingKeys.use, 'access'))
  await app.idTokenKeys.reload()
  t.match((await service.get('/readyz')).json(), { code: 'not_ready' })
})

t.test(
  'refresh tokens of a client end with the browser session, unless offline_access was granted to the client',
  async (t) => {
    const { service, mina } = await startOpenId(t)
    const page = await logIn(service, { ...GOOD, scope: SCOPE, nonce: 'n' })
    const short = (await exchange(service, answerOf(page))).json()
    t.equal(
      short.scope,
      'openid profile email roles todos:read',
      'offline_access is granted only to a client with the refresh_token grant',
    )
    t.notOk('refresh_token' in short)
    const kept = await tokensOf(service, { ...APP, scope: 'openid profile', nonce: 'n' })
    const offline = await tokensOf(service, { ...APP, scope: SCOPE })
    t.match(offline.scope, 'offline_access')
    const again = await refresh(service, kept.refresh_token)
    const [before, after] = [claimsOf(kept.id_token), claimsOf(again.json().id_token)]
    t.match(after, { sub: String(mina.id), aud: 'app', auth_time: before.auth_time, sid: before.sid, amr: ['pwd'] })
    t.notOk('nonce' in after, 'OpenID Connect Core, 12.2: a refreshed id_token has no nonce')
    const narrow = await refresh(service, again.json().refresh_token, { scope: 'profile' })
    t.match(narrow.json(), { scope: 'profile', id_token: undefined })
    for (const client_id of ['shop', 'game', undefined]) {
      t.not((await refresh(service, narrow.json().refresh_token, { client_id })).statusCode, 200, String(client_id))
    }

    const { db, tables } = service.app.database
    const isBrowser = eq(tables.sessions.kind, 'browser')
    await db
      .update(tables.sessions)
      .set({ idleExpiresAt: Date.now() - 1 })
      .where(isBrowser)
    t.match(
      (await refresh(service, narrow.json().refresh_token)).json(),
      { error: 'invalid_grant' },
      'the refresh token ended with the browser session',
    )
    const outlives = await refresh(service, offline.refresh_token)
    t.equal(outlives.statusCode, 200)
    t.notOk('sid' in claimsOf(outlives.json().id_token))
    await db.update(tables.sessions).set({ revokedAt: Date.now() }).where(isBrowser)
    t.equal((await refresh(service, outlives.json().refresh_token)).statusCode, 200)
  },
)

t.test('a log-in after a browser session has expired does not revive the refresh tokens of its clients', async (t) => {
  const { service } = await startOpenId(t)
  const { db, tables } = service.app.database
  for (const [hasExpired, status] of [
    [false, 200],
    [true, 400],
  ] as const) {
    const cookie = cookieOf(await logIn(service, GOOD))
    const { refresh_token: token } = await tokensOf(service, APP, cookie)
    const idleExpiresAt = Date.now() - 1
    if (hasExpired) await db.update(tables.sessions).set({ idleExpiresAt }).where(eq(tables.sessions.kind, 'browser'))
    t.equal((await logIn(service, GOOD, {}, { ...OURS, cookie })).statusCode, 200)
    t.equal((await refresh(service, token)).statusCode, status)
  }
})

t.test('the twenty-first session of a user with one client ends the oldest', async (t) => {
  const { service } = await startOpenId(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const all: string[] = []
  for (let count = 0; count < 21; count += 1) all.push((await tokensOf(service, APP, cookie)).refresh_token)
  t.equal((await refresh(service, String(all[0]))).statusCode, 400)
  t.equal((await refresh(service, String(all[1]))).statusCode, 200)
})

t.test('if the issuer has a path, the configuration is found both before and after the path', async (t) => {
  const { service } = await start(t, { PUBLIC_URL: 'https://latchkey.test/login' })
  for (const url of ['/.well-known/openid-configuration', '/.well-known/openid-configuration/login']) {
    const answer = await service.app.inject(url)
    t.match(answer.json(), { issuer: 'https://latchkey.test/login', jwks_uri: /\/login\/\.well-known\// })
    t.match(answer.headers, { 'access-control-allow-origin': '*', 'cache-control': /max-age/ })
  }
  const { service: closed } = await start(t, { PAGES: 'off' })
  t.match((await closed.get('/.well-known/openid-configuration')).json(), { code: 'not_found' })
})

/** A client with ES256 and refresh tokens. */
const APP = { client_id: 'app', redirect_uri: 'https://app.example/callback' }

async function startOpenId(t: Test) {
  const started = await start(t)
  const { app } = started.service
  await app.clients.update('shop', { scope: SCOPE }, { id: null })
  const registration: Partial<Registration> = {
    ...{ redirect_uris: [APP.redirect_uri], token_endpoint_auth_method: 'none', scope: SCOPE, first_party: true },
    ...{ grant_types: ['authorization_code', 'refresh_token'], id_token_signed_response_alg: 'ES256' },
  }
  await app.clients.create('app', withDefaults({ client_name: 'The App', ...registration }), { id: null })
  return started
}

/** Logs in and exchanges the code. With a cookie, skips the log-in. */
async function tokensOf(service: Service, change: Record<string, string>, cookie?: string) {
  const query = { ...GOOD, ...change }
  let code: string
  if (cookie === undefined) code = answerOf(await logIn(service, query)).code
  else {
    const answer = await service.app.inject({ url: `/authorize?${new URLSearchParams(query)}`, headers: { cookie } })
    code = new URL(String(answer.headers.location)).searchParams.get('code') ?? ''
  }
  const { client_id, redirect_uri } = query
  return (await exchange(service, { code, client_id, redirect_uri })).json()
}

function refresh(service: Service, token: string, change: Record<string, string | undefined> = {}): Promise<Response> {
  const all = { grant_type: 'refresh_token', client_id: 'app', refresh_token: token, ...change }
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return service.post('/v1/token', new URLSearchParams(given).toString(), FORM)
}

async function robot({ app }: Service): Promise<Record<string, string>> {
  const id = `robot-${Math.random().toString(36).slice(2)}`
  const own = { client_name: 'Robot', token_endpoint_auth_method: 'client_secret_post' } as const
  const { secret = '' } = await app.clients.create(id, withDefaults(own), { id: null })
  return { client_id: id, client_secret: secret }
}

async function parentOf({ app }: Service, id: string): Promise<string | null | undefined> {
  const { db, tables } = app.database
  return (await db.select().from(tables.sessions).where(eq(tables.sessions.id, id)))[0]?.parentId
}

function kidOf(token: string): string | undefined {
  return decodeProtectedHeader(token).kid
}
