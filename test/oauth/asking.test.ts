import { generateKeyPairSync, sign } from 'node:crypto'
import { eq } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import type { Registration } from '../../src/clients/registration.js'
import { claimsOf, countBy, type Service } from '../helper.js'
import {
  addressOf,
  answerOf,
  asks,
  codeOf,
  cookieOf,
  errorOf,
  exchange,
  FORM,
  GOOD,
  ISSUER,
  logIn,
  OURS,
  posts,
  sessionOn,
  start,
} from './shop.js'

t.setTimeout(120_000)

const THIRD = { client_id: 'third', redirect_uri: 'https://third.example/callback', scope: 'openid profile todos:read' }
const HOME = 'https://shop.example/bye'

t.test('prompt and max_age decide whether a user who is logged in has to log in again', async (t) => {
  const { service } = await start(t)
  const first = await logIn(service, GOOD)
  const cookie = cookieOf(first)
  const { sub, auth_time: since } = claimsOf((await exchange(service, answerOf(first))).json().id_token)
  t.match(errorOf(await asks(service, { prompt: 'none' })), { error: 'login_required', state: GOOD.state, iss: ISSUER })
  for (const change of [{ prompt: 'none' }, { max_age: '60' }, { max_age: '10000' }]) {
    const code = codeOf(await asks(service, change, cookie)) ?? ''
    t.match(
      claimsOf((await exchange(service, { code })).json().id_token),
      { sub, auth_time: since },
      'the log-in is the same',
    )
  }
  for (const change of [{ prompt: 'login' }, { prompt: 'login consent' }]) {
    const page = await asks(service, change, cookie)
    t.match([page.statusCode, page.payload], [200, /name="username"[^>]*value="mina"/s], JSON.stringify(change))
  }
  t.notMatch((await asks(service, { prompt: 'select_account' }, cookie)).payload, 'value="mina"')
  const hinted = await asks(service, { login_hint: 'joon"><b>', ui_locales: 'fr ko en' })
  t.match(hinted.payload, 'value="joon&#34;&#62;&#60;b&#62;"')
  t.match([hinted.headers['content-language'], hinted.payload], ['ko', '<html lang="ko">'])

  const { db, tables } = service.app.database
  const long = Date.now() - 120_000
  await db.update(tables.sessions).set({ authTime: long })
  t.equal((await asks(service, { max_age: '60' }, cookie)).statusCode, 200)
  t.match(errorOf(await asks(service, { max_age: '60', prompt: 'none' }, cookie)), { error: 'login_required' })
  const again = await logIn(service, { ...GOOD, prompt: 'login', max_age: '0' }, {}, { ...OURS, cookie })
  const { auth_time } = claimsOf((await exchange(service, answerOf(again))).json().access_token)
  t.ok(Number(auth_time) * 1_000 > long + 60_000)
})

t.test('a consent page that was left open does not bypass max_age', async (t) => {
  const { service } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const recent = { ...GOOD, ...THIRD, max_age: '60' }
  const page = await asks(service, recent, cookie)
  const url = (/<form method="post" action="([^"]+)"/.exec(page.payload)?.[1] ?? '').replaceAll('&#38;', '&')
  const { db, tables } = service.app.database
  const agree = () => {
    const payload = new URLSearchParams({ consent: 'yes', session: sessionOn(page) }).toString()
    return service.app.inject({ method: 'POST', url, headers: { ...OURS, cookie }, payload })
  }
  await db.update(tables.sessions).set({ authTime: Date.now() - 120_000 })
  t.match(
    await agree(),
    { statusCode: 303, headers: { location: addressOf(recent) } },
    'a new log-in is required first',
  )
  await db.update(tables.sessions).set({ authTime: Date.now() })
  t.ok(answerOf(await agree()).code)
})

t.test('unsupported parameters and scopes, and the order of parameters, do not change the answer', async (t) => {
  const { service } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const unread: Record<string, string>[] = [
    ...[{ display: 'page' }, { display: 'popup' }, { acr_values: '1 2' }, { claims_locales: 'ko en' }],
    ...[{ extra: 'foobar' }, { claims: '{"userinfo":{"name":{"essential":true}}}' }],
    ...[{ scope: 'todos:read profile openid' }, { scope: 'openid address phone profile todos:read' }],
  ]
  for (const change of unread) {
    for (const prompt of [{}, { prompt: 'none' }]) {
      const code = codeOf(await asks(service, { ...change, ...prompt }, cookie)) ?? ''
      const answer = (await exchange(service, { code })).json()
      t.match(answer, { scope: 'openid profile todos:read', id_token: /^ey/ }, JSON.stringify(change))
      t.match(claimsOf(answer.id_token), { preferred_username: 'mina', nonce: undefined })
    }
  }
  const reversed = new URLSearchParams([...new URLSearchParams(GOOD)].reverse())
  t.ok(
    codeOf(await service.app.inject({ url: `/authorize?${reversed}`, headers: { cookie } })),
    'the parameters in another order',
  )
})

t.test('a client may POST its authorization request, and what a user typed is never put into a URL', async (t) => {
  const { service } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const headers = { ...FORM, 'sec-fetch-site': 'cross-site', origin: 'https://shop.example' }
  const post = (url: string, fields: Record<string, string>) =>
    service.app.inject({ method: 'POST', url, headers, payload: new URLSearchParams(fields).toString() })
  const sent = await post('/authorize', { ...GOOD, username: 'mina', password: 'secret', code: '123456', ticket: 'x' })
  t.equal(sent.statusCode, 303)
  t.notMatch(sent.headers.location, /secret|123456|ticket/)
  t.ok(codeOf(await service.app.inject({ url: String(sent.headers.location), headers: { cookie } })))
  const out = await post('/account/logout', { state: 's' })
  t.match([out.statusCode, out.headers.location], [303, '/account/logout?state=s'])
  t.ok(codeOf(await asks(service, {}, cookie)), 'the request did not log the user out')
})

t.test('a request with a repeated parameter is rejected, also if it is posted', async (t) => {
  const { service } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const follow = async (url: string, payload: string) => {
    const answer = await service.app.inject({ method: 'POST', url, headers: FORM, payload })
    return service.app.inject({ url: String(answer.headers.location), headers: { cookie } })
  }
  const good = String(new URLSearchParams(GOOD))
  t.ok(codeOf(await follow('/authorize', good)))
  for (const more of ['scope=openid', 'nonce=a&nonce=b', 'prompt=&prompt=', 'display=page&display=page']) {
    t.match(errorOf(await follow('/authorize', `${good}&${more}`)), { error: 'invalid_request', iss: ISSUER }, more)
  }
  for (const more of ['client_id=third', `redirect_uri=${encodeURIComponent(GOOD.redirect_uri)}`]) {
    const { statusCode, headers } = await follow('/authorize', `${good}&${more}`)
    t.same([statusCode, headers.location], [400, undefined], more)
  }
  t.equal((await follow('/account/logout', 'state=a&state=b')).statusCode, 400)
  for (const url of ['/v1/token', '/v1/introspect', '/v1/revoke']) {
    for (const more of ['client_id=shop', 'client_secret=', 'token=x', 'code=x', 'unknown=']) {
      const { statusCode, payload } = await service.post(url, `${more}&${more}`, FORM)
      const error = { error: 'invalid_request', error_description: 'A parameter is repeated.' }
      t.same([statusCode, JSON.parse(payload)], [400, error], `${more} at ${url}`)
    }
  }
})

t.test('a form with fields of another form is rejected, and is no server error', async (t) => {
  const { service } = await start(t, { LOGIN_THROTTLE: 'off' })
  for (const url of ['/account/login', addressOf(GOOD)]) {
    for (const more of [
      'ticket=x',
      'ticket=x&ticket=y',
      'consent=yes',
      'consent=x&consent=y',
      'email=x&code=1&code=2',
    ]) {
      const payload = `username=mina&password=wrong&${more}`
      const answer = await service.app.inject({ method: 'POST', url, headers: OURS, payload })
      t.match([answer.statusCode, answer.payload], [400, 'The name or the password is wrong.'], `${url} ${more}`)
    }
    const payload = `passkey={"a":1&passkey="b":2}&username=mina&ticket=x&ticket=y&password=wrong`
    t.equal((await service.app.inject({ method: 'POST', url, headers: OURS, payload })).statusCode, 400)
  }
})

t.test('a third-party client asks for consent once, and its user can revoke the consent', async (t) => {
  const { service, mina } = await start(t)
  const page = await logIn(service, { ...GOOD, ...THIRD })
  const cookie = cookieOf(page)
  for (const name of ['The Third', 'third.example', 'mina']) {
    t.match(
      page.payload,
      `<bdi>${name}</bdi>`,
      'a name that is read from right to left does not turn the sentence around',
    )
  }
  for (const text of ['Read the todos.', 'Read the account']) t.match(page.payload, text)
  t.notOk(page.headers.refresh)
  t.match(errorOf(await asks(service, { ...THIRD, prompt: 'none' }, cookie)), { error: 'consent_required' })
  const session = sessionOn(page)
  t.match(errorOf(await decides(service, cookie, { consent: 'no', session })), { error: 'access_denied', iss: ISSUER })
  t.same((await mina.get('/v1/me/apps')).json(), { items: [], next_cursor: null })
  const tokens = await exchange(service, {
    ...third,
    code: answerOf(await decides(service, cookie, { consent: 'yes', session })).code,
  })
  t.match(tokens.json(), { scope: THIRD.scope })
  const claims = claimsOf(tokens.json().access_token)
  t.match(claims, { client_id: 'third', aud: `${ISSUER}/client` })
  t.match((await mina.get('/v1/me/apps')).json().items, [
    { client_id: 'third', client_name: 'The Third', scope: THIRD.scope, granted_at: String },
  ])
  t.ok(codeOf(await asks(service, { ...THIRD, prompt: 'none' }, cookie)), 'the consent is stored')
  t.equal(
    (await asks(service, { ...THIRD, scope: 'openid email' }, cookie)).statusCode,
    200,
    'the consent does not cover more scopes',
  )
  const asked = await asks(service, { ...THIRD, prompt: 'consent' }, cookie)
  const other = /<a href="([^"]+)">Use another account/.exec(asked.payload)?.[1]?.replaceAll('&#38;', '&') ?? ''
  const { prompt } = Object.fromEntries(new URLSearchParams(other.replace('/authorize', '')))
  t.ok(sessionOn(await logIn(service, { ...GOOD, ...THIRD, prompt })), 'also after a log-in with another account')
  t.equal(
    (await asks(service, { ...THIRD, redirect_uri: 'http://127.0.0.1:4000/cb' }, cookie)).statusCode,
    200,
    'the consent does not cover a loopback redirect URI',
  )

  const authorization = `Bearer ${tokens.json().access_token}`
  t.equal((await service.get('/v1/todos', { authorization })).statusCode, 200)
  const onItsWay = codeOf(await asks(service, THIRD, cookie))
  const joon = await service.signUp('joon')
  t.equal((await joon.delete('/v1/me/apps/third')).statusCode, 404)
  t.same((await joon.get('/v1/me/apps')).json().items, [])
  t.equal((await mina.delete('/v1/me/apps/third')).statusCode, 204)
  t.equal((await mina.delete('/v1/me/apps/third')).statusCode, 404)
  t.match((await service.get('/v1/todos', { authorization })).json(), { code: 'invalid_token' })
  t.match((await exchange(service, { ...third, code: String(onItsWay) })).json(), { error: 'invalid_grant' })
  t.equal((await asks(service, THIRD, cookie)).statusCode, 200, 'consent is asked for again')
  const { db, tables } = service.app.database
  const events = await db.select().from(tables.events).where(eq(tables.events.reason, 'third'))
  t.same(
    countBy(events, ({ type }) => type),
    { 'client.created': 1, 'consent.granted': 1, 'consent.revoked': 1 },
  )
})

t.test('a code from before the consent was revoked is void, also after a new and narrower consent', async (t) => {
  const { service, mina } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const agree = async (scope: string) => {
    const query = { ...GOOD, ...THIRD, scope }
    const session = sessionOn(await asks(service, query, cookie))
    return answerOf(await posts(service, query, { consent: 'yes', session }, { ...OURS, cookie })).code
  }
  const [first, wide] = [await agree(THIRD.scope), codeOf(await asks(service, THIRD, cookie)) ?? '']
  t.equal((await exchange(service, { ...third, code: first })).statusCode, 200)
  t.equal((await mina.delete('/v1/me/apps/third')).statusCode, 204)
  const narrow = await agree('openid')
  t.match((await exchange(service, { ...third, code: wide })).json(), { error: 'invalid_grant' })
  t.match((await exchange(service, { ...third, code: narrow })).json(), { scope: 'openid' })
})

t.test('consent is not accepted from another site, in another session or through a link', async (t) => {
  const { service, mina } = await start(t)
  await service.signUp('joon')
  const cookie = cookieOf(await logIn(service, GOOD))
  const yes = { consent: 'yes', session: sessionOn(await asks(service, THIRD, cookie)) }
  for (const headers of [
    {},
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null' },
  ]) {
    const foreign = await decides(service, cookie, yes, { ...FORM, ...headers })
    t.match([foreign.statusCode, foreign.headers.refresh], [403, undefined], JSON.stringify(headers))
  }
  const other = cookieOf(await logIn(service, GOOD, { username: 'joon' }))
  const again = cookieOf(await logIn(service, GOOD))
  for (const stranger of ['', other, again]) {
    const answer = await decides(service, stranger, yes)
    t.match([answer.statusCode, answer.headers.location], [303, /^\/authorize\?/], 'a page of another session')
  }
  t.same((await mina.get('/v1/me/apps')).json().items, [])
  const guess = await service.app.inject({ url: addressOf({ ...GOOD, ...THIRD, consent: 'yes' }), headers: { cookie } })
  t.equal(guess.statusCode, 200, 'a link cannot give consent')
})

t.test('a client that sends an id_token_hint logs its user out, and the browser returns to the client', async (t) => {
  const { service, hint } = await startWithHint(t)
  const query = { id_token_hint: hint, post_logout_redirect_uri: HOME, state: 's 1' }
  const cookie = cookieOf(await logIn(service, GOOD))
  const { access_token } = (await exchange(service, { code: codeOf(await asks(service, {}, cookie)) ?? '' })).json()
  const out = await leaves(service, query, cookie)
  t.match([out.statusCode, out.headers.location], [303, `${HOME}?state=s+1`])
  t.match(out.headers['set-cookie'], /^__Host-latchkey=; .*Secure.*Max-Age=0/)
  t.equal((await asks(service, {}, cookie)).statusCode, 200, 'a copy of the cookie no longer works')
  t.equal((await service.get('/v1/me', { authorization: `Bearer ${access_token}` })).statusCode, 401)
  t.equal((await leaves(service, query)).statusCode, 303, 'a second log-out is no error')
  t.match((await leaves(service, { id_token_hint: hint })).payload, /You are logged out\..*href="\/account\/login"/s)
  const silent = await leaves(service, { id_token_hint: hint, post_logout_redirect_uri: HOME })
  t.match([silent.statusCode, silent.headers.location], [303, HOME], 'without state')
  const empty = await leaves(service, { ...query, state: '', client_id: '' })
  t.match([empty.statusCode, empty.headers.location], [303, HOME], 'a parameter without a value is ignored')
  t.match((await leaves(service, { post_logout_redirect_uri: '' })).payload, 'You are logged out.')
})

t.test('a log-out without a valid id_token_hint asks the user; unregistered addresses are rejected', async (t) => {
  const { service, hint } = await startWithHint(t)
  await service.signUp('joon')
  const cookie = cookieOf(await logIn(service, GOOD))
  const joon = cookieOf(await logIn(service, GOOD, { username: 'joon' }))
  const forged = `${hint.slice(0, -4)}AAAA`
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const [head, body] = hint.split('.')
  const foreign = `${head}.${body}.${sign('sha256', Buffer.from(`${head}.${body}`), privateKey).toString('base64url')}`
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${hint.split('.')[1]}.`
  for (const [query, with_] of [
    [{}, cookie],
    [{ state: 'only' }, cookie],
    [{ id_token_hint: forged }, cookie],
    [{ id_token_hint: none }, cookie],
    [{ id_token_hint: foreign }, cookie],
    [{ id_token_hint: hint }, joon],
    [{ id_token_hint: hint, client_id: 'game' }, cookie],
    [{ client_id: 'shop', post_logout_redirect_uri: HOME }, cookie],
  ] as [Record<string, string>, string][]) {
    const page = await leaves(service, query, with_)
    t.match([page.statusCode, page.payload], [200, /value="log_out"/], JSON.stringify(query))
    t.notOk(page.headers['set-cookie'])
  }
  const strange = [
    'https://evil.example',
    `${HOME}/`,
    `${HOME}?x=1`,
    `${HOME}#x`,
    '//evil.example',
    'javascript:alert(1)',
    GOOD.redirect_uri,
  ]
  for (const uri of strange) {
    for (const id_token_hint of [hint, undefined]) {
      const query = { post_logout_redirect_uri: uri, ...(id_token_hint && { id_token_hint }), client_id: 'shop' }
      const { statusCode, headers } = await leaves(service, query, cookie)
      t.match([statusCode, headers.location, headers.refresh], [400, undefined, undefined], uri)
    }
  }
  for (const id_token_hint of [forged, none, foreign, undefined]) {
    const query = { post_logout_redirect_uri: HOME, state: 's', ...(id_token_hint && { id_token_hint }) }
    const { statusCode, headers } = await leaves(service, query, cookie)
    t.match(
      [statusCode, headers.location, headers.refresh],
      [400, undefined, undefined],
      'neither a hint nor client_id names the client',
    )
  }
  t.ok(codeOf(await asks(service, {}, cookie)), 'the user is still logged in')
  const url = `/account/logout?${new URLSearchParams({ client_id: 'shop', post_logout_redirect_uri: HOME })}`
  const press = (headers: Record<string, string>) =>
    service.app.inject({ method: 'POST', url, headers: { ...headers, cookie }, payload: 'deed=log_out' })
  for (const headers of [
    FORM,
    { ...FORM, 'sec-fetch-site': 'cross-site' },
    { ...FORM, origin: 'https://evil.example' },
  ]) {
    t.equal((await press(headers)).statusCode, 403)
  }
  const pressed = await press(OURS)
  t.match([pressed.statusCode, pressed.headers.refresh], [200, `0;url=${HOME}`])
  t.equal((await asks(service, {}, cookie)).statusCode, 200)
})

const third = { client_id: 'third', redirect_uri: THIRD.redirect_uri }

function decides(
  service: Service,
  cookie: string,
  form: Record<string, string>,
  headers: Record<string, string> = OURS,
) {
  return posts(service, { ...GOOD, ...THIRD }, form, { ...headers, cookie })
}

function leaves(service: Service, query: Record<string, string>, cookie = ''): Promise<Response> {
  return service.app.inject({ url: `/account/logout?${new URLSearchParams(query)}`, headers: { cookie } })
}

/** With a post-logout redirect URI, and with an id_token of mina as the hint. */
async function startWithHint(t: Test) {
  const started = await start(t)
  const { service } = started
  const registration: Partial<Registration> = { post_logout_redirect_uris: [HOME] }
  await service.app.clients.update('shop', registration, { id: null })
  const { id_token: hint } = (await exchange(service, answerOf(await logIn(service, GOOD)))).json()
  return { ...started, hint: String(hint) }
}

t.test('CORS admits the origins of redirect URIs to the token, revocation and UserInfo endpoints only', async (t) => {
  for (const settings of [{}, { CORS_ORIGINS: 'https://app.example.com' }]) {
    const { service, mina } = await start(t, settings)
    const origin = 'https://shop.example'
    const allowed = { 'access-control-allow-origin': origin, vary: /origin/i }
    const preflight = (url: string, from: string) =>
      service.app.inject({
        ...{ method: 'OPTIONS' as const, url },
        headers: { origin: from, 'access-control-request-method': 'POST' },
      })
    for (const url of ['/v1/token', '/v1/revoke', '/v1/userinfo']) {
      t.match(await preflight(url, origin), {
        statusCode: 204,
        headers: {
          ...allowed,
          'access-control-allow-headers': /authorization/,
          'access-control-allow-methods': /POST/,
        },
      })
      for (const stranger of ['https://evil.example', 'http://shop.example', 'https://shop.example:444', 'null']) {
        const refused = await preflight(url, stranger)
        t.equal(refused.headers['access-control-allow-origin'], undefined, `${stranger} at ${url}`)
      }
    }
    const redeemed = await service.post('/v1/token', 'grant_type=authorization_code', { ...FORM, origin })
    t.match(redeemed, { statusCode: 401, headers: allowed }, 'a page can read the error')
    const asked = await service.get('/v1/userinfo?x=1', { origin, authorization: `Bearer ${mina.login.access_token}` })
    t.match(asked.headers, { ...allowed, 'access-control-expose-headers': /www-authenticate/ })
    t.equal(asked.headers['access-control-allow-credentials'], undefined)
    for (const url of ['/v1/me', '/v1/token/', '/authorize', '/v1/login', '/v1/introspect']) {
      for (const answer of [await preflight(url, origin), await service.app.inject({ url, headers: { origin } })]) {
        t.equal(answer.headers['access-control-allow-origin'], undefined, url)
      }
    }
    await service.app.clients.update('shop', { is_active: false }, { id: null })
    t.equal(
      (await preflight('/v1/token', origin)).headers['access-control-allow-origin'],
      undefined,
      'the client is disabled',
    )
  }
})
