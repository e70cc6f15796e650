// On SQLite alone: these requests are rejected before any query.

import { METHODS } from 'node:http'
import { join } from 'node:path'
import { eq } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { callerFrom, claimsFor } from '../../src/tokens/access-tokens.js'
import { Service, startService, temporaryFolder } from '../helper.js'
import { contractOf } from '../support/contract.js'
import { routesOf, without } from '../support/router.js'
import { exchange, lastRequest, listen } from '../support/wire.js'

/** All public routes. A new public route must be added here. */
const OPEN = [
  'GET /',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/openid-configuration',
  'GET /.well-known/openid-jwks.json',
  'GET /docs',
  'GET /docs/',
  'GET /docs/json',
  'GET /docs/static/*',
  'GET /docs/static/index.html',
  'GET /docs/static/swagger-initializer.js',
  'GET /docs/static/theme/latchkey.css',
  'GET /docs/yaml',
  'GET /healthz',
  'GET /livez',
  'GET /openapi-3.0.json',
  'GET /openapi.json',
  'GET /readyz',
  'POST /v1/email-verification',
  'POST /v1/email-verification/confirm',
  'POST /v1/invitations/accept',
  'POST /v1/login',
  'POST /v1/login/code',
  'POST /v1/login/code/request',
  'POST /v1/login/enroll/code',
  'POST /v1/login/enroll/code/request',
  'POST /v1/login/enroll/passkey',
  'POST /v1/login/enroll/passkey/options',
  'POST /v1/login/enroll/totp',
  'POST /v1/login/enroll/totp/confirm',
  'POST /v1/login/factor',
  'POST /v1/login/passkey',
  'POST /v1/login/passkey/options',
  'POST /v1/password-reset',
  'POST /v1/password-reset/request',
  'POST /v1/refresh',
  'POST /v1/register',
  'POST /v1/token',
  'POST /v1/introspect',
  'POST /v1/revoke',
]
const CHALLENGE = 'Bearer realm="latchkey"'

t.test('only the listed routes answer without a token', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  const answers = await answersWithout(service)
  const open = answers.filter(({ response }) => response.statusCode !== 401)
  const closed = answers.filter((answer) => !open.includes(answer))
  // Fastify answers HEAD on every route with GET.
  const heads = OPEN.filter((name) => name.startsWith('GET')).map((name) => name.replace('GET', 'HEAD'))
  t.same(open.map(({ method, path }) => `${method} ${path}`).sort(), [...OPEN, ...heads].sort())
  t.ok(closed.length > 10)
  for (const { method, path, response } of closed) {
    t.equal(response.headers['www-authenticate'], CHALLENGE, `${method} ${path} names no error`)
    if (method !== 'HEAD') t.match(response.json(), { status: 401, code: 'missing_token' })
  }
})

t.test('no HTTP method reaches a protected route without a token', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  const answers = await answersWithout(service)
  const closed = new Set(answers.filter(({ response }) => response.statusCode === 401).map(({ path }) => path))
  for (const path of closed) {
    for (const method of METHODS.filter((name) => name !== 'CONNECT')) {
      const { statusCode } = await service.request(without({ method, path }))
      // Fastify rejects a QUERY without a content type before it looks for a handler.
      const refusals = method === 'QUERY' ? [400, 405] : [401, 405]
      if (!refusals.includes(statusCode)) t.fail(`${method} ${path} answered ${statusCode}`)
    }
    t.pass(path)
  }
})

t.test('a route needs a token by default, and a route for admins rejects all other users', async (t) => {
  const service = await startWith(t, (app) => {
    app.get('/silent', async ({ user }) => user)
    app.get('/admins', { config: { role: 'admin' } }, async ({ user }) => user)
  })
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ role: 'admin' }).where(eq(tables.users.id, joon.id))
  const admin = await service.logIn('joon')
  const get = (url: string, token?: string) =>
    service.app.inject({ url, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })

  t.match((await get('/silent')).json(), { code: 'missing_token' })
  t.match((await get('/silent', mina.token)).json(), { userId: mina.id, role: 'user' })
  t.match((await get('/admins')).json(), { code: 'missing_token' })
  const refused = await get('/admins', mina.token)
  t.match(refused.json(), { status: 403, code: 'insufficient_scope' })
  t.equal(refused.headers['www-authenticate'], `${CHALLENGE}, error="insufficient_scope"`)
  t.notMatch(refused.payload, 'userId')
  t.match((await get('/admins', admin.token)).json(), { userId: joon.id, role: 'admin' })
})

/** The routes of the pages: public routes, and routes for users who are logged in with a browser. */
const PAGES = {
  open: [
    'GET /account/*',
    'GET /account/email-code',
    'GET /account/forgot',
    'GET /account/icon.svg',
    'GET /account/invitation',
    'GET /account/login',
    'GET /account/logout',
    'GET /account/register',
    'GET /account/reset',
    'GET /account/script.js',
    'GET /account/styles.css',
    'GET /account/verify',
    'GET /authorize',
    'POST /account/email-code',
    'POST /account/forgot',
    'POST /account/invitation',
    'POST /account/login',
    'POST /account/logout',
    'POST /account/register',
    'POST /account/reset',
    'POST /account/verify',
    'POST /authorize',
  ],
  browser: [
    'GET /account',
    'GET /account/address',
    'GET /account/api-keys',
    'GET /account/apps',
    'GET /account/delete',
    'GET /account/export',
    'GET /account/password',
    'GET /account/profile',
    'GET /account/second-factor',
    'GET /account/sessions',
    'POST /account',
    'POST /account/address',
    'POST /account/api-keys',
    'POST /account/apps',
    'POST /account/delete',
    'POST /account/export',
    'POST /account/password',
    'POST /account/profile',
    'POST /account/second-factor',
    'POST /account/sessions',
  ],
}

t.test('only the listed pages answer without a log-in; the other pages redirect to the log-in page', async (t) => {
  const service = await startService(t, { COMPAT: 'off', PUBLIC_URL: 'https://latchkey.test' })
  const pages = routesOf(service.app).filter(
    ({ method, path }) => /^\/(account|authorize)/.test(path) && method !== 'HEAD',
  )
  const answers = await Promise.all(
    pages.map(async (route) => ({
      ...route,
      response: await service.app.inject({ ...without(route), headers: { 'sec-fetch-site': 'same-origin' } }),
    })),
  )
  const names = (chosen: typeof answers) => chosen.map(({ method, path }) => `${method} ${path}`).sort()
  const toLogIn = answers.filter(({ response }) => /^\/account\/login\?/.test(String(response.headers.location)))
  t.same(names(toLogIn), PAGES.browser.sort())
  t.same(names(answers.filter((answer) => !toLogIn.includes(answer))), PAGES.open.sort())
})

t.test('a page accepts the cookie of a browser only if its route says so, and never a token', async (t) => {
  const service = await startWith(
    t,
    (app) => {
      const handler = async ({ user }: { user: unknown }) => user
      const page = true as const
      app.get('/account/silent', { config: { page } }, handler)
      app.route({ method: ['GET', 'POST'], url: '/account/own', config: { page, browser: true }, handler })
      app.get('/account/recent', { config: { page, browser: true, recentLogin: true } }, handler)
      app.get('/account/admins', { config: { page, browser: true, role: 'admin' } }, handler)
      app.post('/account/script', { config: { browser: true } }, handler)
    },
    { PUBLIC_URL: 'https://latchkey.test' },
  )
  const mina = await service.signUp('mina')
  const user = await service.app.accounts.get(mina.id)
  const { app } = service
  const begun = await app.browserSessions.begin(user, { cookie: undefined, isShared: false }, { ip: '127.0.0.1' })
  const cookie = begun.setCookie.split(';')[0] ?? ''
  const ours = { cookie, 'sec-fetch-site': 'same-origin' }
  const authorization = `Bearer ${mina.token}`
  const get = (url: string, headers: Record<string, string>) => app.inject({ url, headers })
  const post = (url: string, headers: Record<string, string>) => app.inject({ method: 'POST', url, headers })

  t.equal((await get('/account/silent', { cookie })).statusCode, 401)
  t.equal((await get('/account/silent', { authorization })).statusCode, 401)
  t.match((await get('/account/own', { cookie })).json(), {
    userId: mina.id,
    sessionId: begun.session.id,
    role: 'user',
  })
  for (const headers of [{}, { authorization }, { cookie: `${cookie}x` }] as Record<string, string>[]) {
    const { statusCode, headers: answered } = await get('/account/own?tab=1', headers)
    t.match([statusCode, answered.location], [303, '/account/login?to=%2Faccount%2Fown'])
  }
  t.equal((await get('/account/recent', { cookie })).statusCode, 200)
  const { db, tables } = app.database
  await db
    .update(tables.sessions)
    .set({ authTime: Date.now() - 301_000 })
    .where(eq(tables.sessions.id, begun.session.id))
  const late = await get('/account/recent', { cookie })
  t.match([late.statusCode, late.headers.location], [303, '/account/login?to=%2Faccount%2Frecent&again=1'])
  t.equal((await get('/account/admins', { cookie })).statusCode, 403)

  t.equal((await post('/account/own', ours)).statusCode, 200)
  t.equal((await post('/account/script', ours)).statusCode, 200)
  for (const url of ['/account/own', '/account/script']) {
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ] as Record<string, string>[]) {
      t.equal((await post(url, { cookie, ...headers })).statusCode, 403, `${url} ${JSON.stringify(headers)}`)
    }
  }
  t.match((await post('/account/script', { 'sec-fetch-site': 'same-origin' })).json(), { code: 'missing_token' })
})

t.test('a handler cannot change the user of the next request', async (t) => {
  const service = await startWith(t, (app) => {
    app.get('/greedy', async ({ user }) => ({ succeeded: Reflect.set(user, 'role', 'admin'), ...user }))
  })
  const mina = await service.signUp('mina')
  for (let turn = 1; turn <= 3; turn += 1) {
    const { payload } = await service.app.inject({ url: '/greedy', headers: { authorization: `Bearer ${mina.token}` } })
    t.match(JSON.parse(payload), { succeeded: false, userId: mina.id, role: 'user' }, `request ${turn}`)
    t.match((await mina.get('/v1/verify')).headers, { 'x-latchkey-role': 'user' })
  }
  const grant = { issuer: 'i', audience: 'a', userId: 1, sessionId: 's', role: 'user', lifetimeMs: 1_000 } as const
  const caller = callerFrom(claimsFor(grant), grant)
  t.match(caller, { userId: 1, role: 'user' })
  t.ok(Object.isFrozen(caller))
})

t.test('the token is checked before the body is read: two megabytes without a token return 401', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  const injected = await service.post('/v1/todos', { title: 'x'.repeat(2_000_000) })
  t.match(injected.json(), { status: 401, code: 'missing_token' })
  // The client never sends this body, and still gets the response.
  const announced = 'Content-Type: application/json\r\nContent-Length: 2000000\r\n'
  const answer = await exchange(await listen(service), lastRequest('POST /v1/todos', announced))
  t.match(answer, /^HTTP\/1\.1 401 /)
  t.match(answer, '"code":"missing_token"')
})

/** The response of every route of the router to a request without a token. */
function answersWithout(service: Service) {
  return Promise.all(
    routesOf(service.app).map(async (route) => ({ ...route, response: await service.request(without(route)) })),
  )
}

/** A service with routes that the test adds. */
async function startWith(t: Test, addRoutes: (app: FastifyInstance) => void, given = {}): Promise<Service> {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const settings = { ...given, DATABASE_URL, LOG_LEVEL: 'silent', MAX_EVENT_LOOP_DELAY: 'off' }
  const app = await buildApp({ ...loadConfig(settings), BCRYPT_COST: 4 })
  t.teardown(() => app.close())
  addRoutes(app)
  await app.ready()
  return new Service(app, contractOf(app.swagger() as Record<string, unknown>))
}
