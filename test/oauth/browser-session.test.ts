import { eq } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import { BrowserCookies } from '../../src/sessions/browser-cookies.js'
import { addTotp } from '../factors/people.js'
import { claimsOf, PASSWORD, type Service } from '../helper.js'
import { addressOf, answerOf, asks, BACK, cookieOf, exchange, FORM, GOOD, ISSUER, logIn, OURS, start } from './shop.js'

t.setTimeout(120_000)

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

t.test('a log-in starts a browser session, in which the next client gets its code without a page', async (t) => {
  const { service, mina } = await start(t)
  const page = await logIn(service, GOOD)
  const setCookie = String(page.headers['set-cookie'])
  t.match(setCookie, /^__Host-latchkey=lkb_[\w-]{64}; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=2592000$/)
  t.notOk((await service.app.inject(addressOf(GOOD))).headers['set-cookie'], 'showing the log-in page sets no cookie')
  const { db, tables } = service.app.database
  const before = [await db.$count(tables.sessions), await db.$count(tables.events)]
  const again = await asks(
    service,
    { client_id: 'game', redirect_uri: 'https://game.example/callback' },
    cookieOf(page),
  )
  t.equal(again.statusCode, 303)
  t.match(again.headers, { 'cache-control': 'no-store', location: /^https:\/\/game\.example\/callback\?/ })
  const answer = Object.fromEntries(new URL(String(again.headers.location)).searchParams)
  t.match(answer, { state: GOOD.state, iss: ISSUER })
  t.same([await db.$count(tables.sessions), await db.$count(tables.events)], before, 'a GET writes no row')

  const first = claimsOf((await exchange(service, answerOf(page))).json().access_token)
  const other = { client_id: 'game', redirect_uri: 'https://game.example/callback', code: answer.code }
  const second = claimsOf((await exchange(service, other)).json().access_token)
  t.match(second, { sub: String(mina.id), client_id: 'game', auth_time: first.auth_time, amr: ['pwd'] })
  const sessions = (await mina.get('/v1/sessions')).json().items
  t.equal(sessions.length, 4, 'one session each for the sign-up, the browser and two clients')
})

t.test(
  'over http on localhost the cookie is not Secure and names the port; on other http hosts there are no pages',
  async (t) => {
    const { service } = await start(t, { PUBLIC_URL: 'http://localhost:4711' })
    const page = await logIn(service, GOOD)
    t.match(page.headers['set-cookie'], /^latchkey-4711=lkb_[\w-]{64}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/)
    t.equal((await asks(service, {}, cookieOf(page))).statusCode, 303)
    t.equal(
      (await asks(service, {}, cookieOf(page).replace('4711', '4712'))).statusCode,
      200,
      'the cookie of a service on another port',
    )
    const { service: open } = await start(t, { PUBLIC_URL: 'http://login.example' })
    for (const url of [addressOf(GOOD), '/account/login']) t.equal((await open.app.inject(url)).statusCode, 404)
  },
)

t.test('installations on ports and paths of one host have cookies of their own', async (t) => {
  const addresses = ['', ':8443', '/auth', '/auth/2', '/(auth)@2', ':8443/auth'].map(
    (end) => `https://login.example${end}`,
  )
  const cookies = addresses.map((PUBLIC_URL) => new BrowserCookies({ PUBLIC_URL }, [Buffer.alloc(32)]))
  const made = cookies.map((cookie) => cookie.make('018f2d3c-0000-7000-8000-000000000000').split(';')[0] ?? '')
  t.equal(new Set(made.map((cookie) => cookie.split('=')[0])).size, addresses.length)
  for (const cookie of made) t.match(cookie, /^__Host-latchkey[\w.~%-]*=lkb_/)
  for (const [index, cookie] of cookies.entries()) t.ok(cookie.read(made.join('; ')), String(addresses[index]))
  t.equal(cookies[0]?.read(made.slice(1).join('; ')), undefined)
})

t.test('/authorize accepts only a genuine cookie, no session id and no token; the API accepts no cookie', async (t) => {
  const { service, mina } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const value = cookie.slice(cookie.indexOf('=') + 1)
  const { sid } = claimsOf(mina.token)
  const id = Buffer.from(String(sid).replaceAll('-', ''), 'hex')
  const mac = Buffer.from(value.slice(4), 'base64url').subarray(16)
  const forged = [
    ...['', 'lkb_', `${value}=`, `${value}A`, value.slice(0, -1), value.replace('lkb_', 'lkr_'), value.toUpperCase()],
    ...[String(sid), `lkb_${id.toString('base64url')}`, `lkb_${Buffer.concat([id, mac]).toString('base64url')}`],
    ...[mina.token, mina.login.refresh_token, mina.login.refresh_token.replace('lkr_', 'lkb_')],
    ...[4, 20, 40, 60].map((at) => `${value.slice(0, at)}${value[at] === 'A' ? 'B' : 'A'}${value.slice(at + 1)}`),
  ]
  for (const text of forged) t.equal((await asks(service, {}, `__Host-latchkey=${text}`)).statusCode, 200, text)
  for (const name of ['latchkey', 'latchkey-80', '__host-latchkey', 'x__Host-latchkey']) {
    t.equal((await asks(service, {}, `${name}=${value}`)).statusCode, 200, name)
  }
  t.equal(
    (await asks(service, {}, `a=b; __Host-latchkey=lkb_x; ${cookie}; c=d`)).statusCode,
    303,
    'among other cookies',
  )
  for (const authorization of [`Bearer ${mina.token}`, `Bearer ${value}`]) {
    t.equal((await service.app.inject({ url: addressOf(GOOD), headers: { authorization } })).statusCode, 200)
  }
  for (const url of ['/v1/me', '/v1/todos', '/v1/verify', '/v1/sessions']) {
    t.match((await service.get(url, { cookie })).json(), { code: 'missing_token' }, `${url} takes no cookie`)
    t.match((await service.get(url, { authorization: `Bearer ${value}` })).json(), { code: 'invalid_token' })
  }
})

t.test('ending a browser session also ends the sessions and the pending codes of its clients', async (t) => {
  const { service, mina } = await start(t)
  const ends: ((id: string) => Promise<unknown>)[] = [
    (id) => mina.delete(`/v1/sessions/${id}`),
    () => mina.delete('/v1/sessions'),
    () => service.app.administration.change(mina.id, { isActive: false }, { id: null }),
  ]
  for (const end of ends) {
    const page = await logIn(service, GOOD)
    const cookie = cookieOf(page)
    const { access_token } = (await exchange(service, answerOf(page))).json()
    const authorization = `Bearer ${access_token}`
    t.equal((await service.get('/v1/me', { authorization })).statusCode, 200)
    const location = String((await asks(service, {}, cookie)).headers.location)
    const code = new URL(location).searchParams.get('code') ?? ''
    await end(await browserOf(service, mina.id))
    t.equal((await asks(service, {}, cookie)).statusCode, 200, 'the user has to log in again')
    t.match((await service.get('/v1/me', { authorization })).json(), { code: 'invalid_token' })
    t.match((await exchange(service, { code })).json(), { error: 'invalid_grant' })
  }
})

t.test('every log-in has a new session id, and a cookie planted before the log-in stops working', async (t) => {
  const { service, mina } = await start(t)
  await service.signUp('joon')
  const first = await logIn(service, GOOD)
  const [planted, own] = [cookieOf(first), await exchange(service, answerOf(first))]
  const authorization = `Bearer ${own.json().access_token}`
  const second = await logIn(service, GOOD, {}, { ...OURS, cookie: planted })
  t.not(cookieOf(second), planted)
  t.equal((await asks(service, {}, planted)).statusCode, 200)
  t.equal((await asks(service, {}, cookieOf(second))).statusCode, 303)
  t.equal((await service.get('/v1/me', { authorization })).statusCode, 200, 'the session of a client goes on')
  const { sid } = claimsOf(own.json().access_token)
  const { db, tables } = service.app.database
  const [child] = await db
    .select()
    .from(tables.sessions)
    .where(eq(tables.sessions.id, String(sid)))
  t.equal(child?.parentId, await browserOf(service, mina.id))

  const third = await logIn(service, GOOD, { username: 'joon' }, { ...OURS, cookie: cookieOf(second) })
  t.equal(third.statusCode, 200)
  t.equal(
    (await service.get('/v1/me', { authorization })).statusCode,
    401,
    'a log-in of another user ends the session of the client',
  )
})

t.test('on a shared device the browser session ends with the browser, and after twelve hours', async (t) => {
  const { service, mina } = await start(t)
  const own = await lifetimeOf(service, mina.id, await logIn(service, GOOD))
  t.same(own, { idle: 14 * DAY_MS, absolute: 30 * DAY_MS })
  const app = await addTotp(mina)
  const asked = await logIn(service, GOOD, { shared: 'yes' })
  t.match(asked.payload, '<input type="hidden" name="shared" value="yes">')
  const [, ticket = ''] = /name="ticket" value="([^"]+)"/.exec(asked.payload) ?? []
  const page = await logIn(service, GOOD, { ticket, code: app.code(), shared: 'yes' })
  t.notMatch(page.headers['set-cookie'], /Max-Age|Expires/)
  t.same(await lifetimeOf(service, mina.id, page), { idle: 12 * HOUR_MS, absolute: 12 * HOUR_MS })
  const { db, tables } = service.app.database
  await db.update(tables.sessions).set({ idleExpiresAt: Date.now() - 1_000 })
  t.equal((await asks(service, {}, cookieOf(page))).statusCode, 200)
})

t.test('the last use of a browser session is written at most once an hour', async (t) => {
  const { service, mina } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const { db, tables } = service.app.database
  const id = await browserOf(service, mina.id)
  const set = (change: object) => db.update(tables.sessions).set(change).where(eq(tables.sessions.id, id))
  const row = async () => (await db.select().from(tables.sessions).where(eq(tables.sessions.id, id)))[0]
  const recent = Date.now() - HOUR_MS / 2
  await set({ lastUsedAt: recent })
  await asks(service, {}, cookie)
  t.equal((await row())?.lastUsedAt, recent)
  await set({ lastUsedAt: Date.now() - 2 * HOUR_MS, idleExpiresAt: Date.now() + HOUR_MS })
  await Promise.all([asks(service, {}, cookie), asks(service, {}, cookie)])
  const touched = await row()
  t.ok((touched?.lastUsedAt ?? 0) > recent)
  t.ok((touched?.idleExpiresAt ?? 0) > Date.now() + 13 * DAY_MS)
  await set({ lastUsedAt: recent - HOUR_MS, expiresAt: Date.now() + HOUR_MS })
  await asks(service, {}, cookie)
  t.ok(
    ((await row())?.idleExpiresAt ?? 0) < Date.now() + 2 * HOUR_MS,
    'the idle time-out does not pass the absolute lifetime',
  )
})

t.test('the log-in page redirects to pages of the account only', async (t) => {
  const { service } = await start(t)
  const post = (url: string, form: Record<string, string> = {}, headers: Record<string, string> = OURS) =>
    service.app.inject({
      ...{ method: 'POST', url, headers },
      payload: new URLSearchParams({ username: 'mina', password: PASSWORD, ...form }).toString(),
    })
  const page = await service.app.inject('/account/login?to=/account/sessions')
  t.match(page.payload, 'action="/account/login?to=%2Faccount%2Fsessions"')
  t.notMatch(page.payload, 'You go on to')
  const done = await post('/account/login?to=/account/sessions')
  t.match([done.statusCode, done.headers.location], [303, '/account/sessions'])
  const cookie = cookieOf(done)
  const known = await service.app.inject({ url: '/account/login', headers: { cookie } })
  t.match([known.statusCode, known.headers.location], [303, '/account'])
  const again = await service.app.inject({ url: '/account/login?again=1', headers: { cookie } })
  t.match([again.statusCode, again.payload], [200, /value="mina"/])
  for (const to of [
    'https://evil.example',
    '//evil.example',
    '/authorize',
    '/account//evil.example',
    '/account/..',
    '/accounts',
    '/account\\evil',
    '/account@evil.example',
    '/account/x\n',
    '',
    BACK,
  ]) {
    for (const answer of [
      await service.app.inject(`/account/login?to=${encodeURIComponent(to)}`),
      await post(`/account/login?to=${encodeURIComponent(to)}`),
    ]) {
      t.equal(answer.statusCode, 400, JSON.stringify(to))
      t.notOk(answer.headers.location)
      t.notOk(answer.headers['set-cookie'])
    }
  }
  const wrong = await post('/account/login', { password: 'wrong', shared: 'yes' })
  t.equal(wrong.statusCode, 400)
  t.match(wrong.payload, /name="shared" value="yes" checked/)
  t.notOk(wrong.headers['set-cookie'])
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]) {
    const foreign = await post('/account/login', {}, { ...FORM, ...headers })
    t.equal(foreign.statusCode, 403)
    t.notOk(foreign.headers['set-cookie'], 'a form of another site cannot log the browser in')
  }
})

/** The newest live browser session of a user. */
async function browserOf({ app }: Service, userId: number): Promise<string> {
  const { db, tables } = app.database
  const rows = await db.select().from(tables.sessions).where(eq(tables.sessions.userId, userId))
  const live = rows.filter(({ kind, revokedAt }) => kind === 'browser' && revokedAt === null)
  return live.sort((one, other) => other.createdAt - one.createdAt)[0]?.id ?? ''
}

async function lifetimeOf(service: Service, userId: number, page: Response) {
  if (page.statusCode !== 200) throw new Error(`log-in: ${page.statusCode}`)
  const { db, tables } = service.app.database
  const id = await browserOf(service, userId)
  const [row] = await db.select().from(tables.sessions).where(eq(tables.sessions.id, id))
  if (row === undefined) throw new Error('no session')
  return { idle: row.idleExpiresAt - row.createdAt, absolute: row.expiresAt - row.createdAt }
}
