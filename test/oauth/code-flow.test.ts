import { eq } from 'drizzle-orm'
import t from 'tap'
import { addTotp } from '../factors/people.js'
import { claimsOf, countBy, PASSWORD, type Service } from '../helper.js'
import { bearer, startSecond, until } from '../support/replica.js'
import {
  addressOf,
  answerOf,
  asks,
  BACK,
  CHALLENGE,
  cookieOf,
  errorOf,
  exchange,
  FORM,
  GOOD,
  ISSUER,
  logIn,
  start,
  VERIFIER,
} from './shop.js'

t.setTimeout(120_000)

t.test('a user logs in at /authorize, and the client gets a code for a token with the requested scope', async (t) => {
  const { service, mina } = await start(t)
  const before = await service.app.database.db.$count(service.app.database.tables.sessions)
  const page = await service.app.inject(addressOf(GOOD))
  t.equal(page.statusCode, 200)
  t.match(page.headers, { 'cache-control': 'no-store', 'content-type': /^text\/html/ })
  t.match(page.headers['content-security-policy'], "form-action 'self'")
  t.match(page.headers['content-security-policy'], "frame-ancestors 'none'")
  t.match(page.payload, 'name="username"')
  t.match(page.payload, 'The Shop')
  t.equal(await service.app.database.db.$count(service.app.database.tables.sessions), before, 'a GET writes nothing')
  const [, action = ''] = /action="([^"]+)"/.exec(page.payload) ?? []
  t.equal(action.replaceAll('&#38;', '&'), addressOf(GOOD), 'the action of the form contains the authorization request')

  const answer = await logIn(service, GOOD)
  t.equal(answer.statusCode, 200, 'a page with a refresh, because form-action would block a redirect')
  const { code, ...others } = answerOf(answer)
  t.same(others, { state: GOOD.state, iss: ISSUER, to: BACK })
  const tokens = await exchange(service, { code })
  t.equal(tokens.statusCode, 200)
  t.match(tokens.headers, { 'cache-control': 'no-store' })
  t.match(tokens.json(), { token_type: 'Bearer', scope: 'openid profile todos:read' })
  t.notOk('refresh_token' in tokens.json())
  const { access_token } = tokens.json()
  const claims = claimsOf(access_token)
  t.match(claims, {
    sub: String(mina.id),
    client_id: 'shop',
    aud: ISSUER,
    scope: 'openid profile todos:read',
    amr: ['pwd'],
  })
  t.notOk('roles' in claims)
  const authorization = `Bearer ${access_token}`
  t.match((await service.get('/v1/me', { authorization })).json(), { id: mina.id, email: null })
  t.equal((await service.get('/v1/todos', { authorization })).statusCode, 200)
  t.equal((await service.post('/v1/todos', { title: 'x' }, { authorization })).statusCode, 403)
  t.equal((await service.get('/v1/sessions', { authorization })).statusCode, 403)
})

t.test('the metadata of the issuer describe the authorization endpoint', async (t) => {
  const { service } = await start(t)
  t.match((await service.get('/.well-known/oauth-authorization-server')).json(), {
    authorization_endpoint: `${ISSUER}/authorize`,
    grant_types_supported: ['password', 'client_credentials', 'refresh_token', 'authorization_code'],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  })
})

t.test('a code is valid once; a second exchange is rejected and ends the session of the first', async (t) => {
  const { service } = await start(t)
  const { code } = answerOf(await logIn(service, GOOD))
  const { access_token } = (await exchange(service, { code })).json()
  const authorization = `Bearer ${access_token}`
  t.match((await exchange(service, { code, code_verifier: 'w'.repeat(43) })).json(), { error: 'invalid_grant' })
  t.equal(
    (await service.get('/v1/me', { authorization })).statusCode,
    200,
    'a second exchange without the verifier does not end the session',
  )
  t.match((await exchange(service, { code })).json(), { error: 'invalid_grant' })
  t.match((await service.get('/v1/me', { authorization })).json(), { code: 'invalid_token' })

  const again = answerOf(await logIn(service, GOOD))
  const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(service, { code: again.code })))
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 1, 400: 19 },
  )
  const winner = answers.find(({ statusCode }) => statusCode === 200)?.json().access_token
  t.equal((await service.get('/v1/me', { authorization: `Bearer ${winner}` })).statusCode, 401)
})

t.test('of twenty exchanges of one code in two processes, one gets tokens, and its session is ended', async (t) => {
  const { service } = await start(t)
  const second = await startSecond(t, service)
  for (let round = 0; round < 3; round++) {
    const { code } = answerOf(await logIn(service, GOOD))
    const both = Array.from({ length: 20 }, (_, index) => exchange(index % 2 === 0 ? service : second, { code }))
    const answers = await Promise.all(both)
    t.same(
      countBy(answers, ({ statusCode }) => statusCode),
      { 200: 1, 400: 19 },
    )
    const winner = answers.find(({ statusCode }) => statusCode === 200)?.json().access_token
    const isOver = async (one: Service) => (await one.get('/v1/me', bearer(winner))).statusCode === 401
    for (const one of [service, second]) await until(() => isOver(one))
    const { db, tables } = service.app.database
    const [row] = await db
      .select()
      .from(tables.sessions)
      .where(eq(tables.sessions.id, String(claimsOf(winner).sid)))
    t.ok(row?.revokedAt, 'the session is revoked in the database')
  }
})

t.test(
  'a code is bound to its client, redirect URI and verifier, and is void once the account or the client changes',
  async (t) => {
    const { service, mina } = await start(t)
    const { code } = answerOf(await logIn(service, GOOD))
    const wrong: Record<string, string | undefined>[] = [
      { code_verifier: 'w'.repeat(43) },
      { code_verifier: CHALLENGE },
      { code_verifier: 'v'.repeat(42) },
      { client_id: 'game' },
      { redirect_uri: `${BACK}/` },
      { redirect_uri: 'https://game.example/callback' },
      { code: `${code.slice(0, -2)}xx` },
      { code: code.slice(4) },
      { code: 'lkc_' },
      { code: mina.token },
      { code: mina.login.refresh_token },
    ]
    for (const change of wrong) {
      const { statusCode, payload } = await exchange(service, { code, ...change })
      t.match([statusCode, JSON.parse(payload)], [400, { error: 'invalid_grant' }], JSON.stringify(change))
    }
    for (const client_id of ['latchkey', 'nobody', 'secretive', undefined]) {
      t.match((await exchange(service, { code, client_id })).json(), { error: 'invalid_client' }, String(client_id))
    }
    for (const name of ['code', 'code_verifier', 'redirect_uri']) {
      t.match((await exchange(service, { code, [name]: undefined })).json(), { error: 'invalid_request' }, name)
    }
    t.equal((await exchange(service, { code })).statusCode, 200, 'no failed exchange used up the code')

    const late = answerOf(await logIn(service, GOOD))
    await service.app.administration.change(mina.id, { roles: 'editor' }, { id: null })
    t.match((await exchange(service, { code: late.code })).json(), { error: 'invalid_grant' })
    const closed = answerOf(await logIn(service, GOOD))
    await service.app.clients.update('shop', { is_active: false }, { id: null })
    t.match((await exchange(service, { code: closed.code })).json(), { error: 'invalid_client' })
  },
)

t.test('a client with a secret must send the secret with the code, and still needs PKCE', async (t) => {
  const { service, secret } = await start(t)
  const own = { client_id: 'secretive', redirect_uri: 'https://secretive.example/callback' }
  t.equal((await asks(service, { ...own, code_challenge: undefined })).statusCode, 303)
  const { code } = answerOf(await logIn(service, { ...GOOD, ...own }))
  for (const client_secret of [undefined, '', 'lks_wrong']) {
    t.match((await exchange(service, { ...own, code, client_secret })).json(), { error: 'invalid_client' })
  }
  const right = { ...own, code, client_secret: secret }
  t.match((await exchange(service, { ...right, code_verifier: 'w'.repeat(43) })).json(), { error: 'invalid_grant' })
  t.match((await exchange(service, right)).json(), { scope: 'openid profile todos:read' })
})

t.test(
  'a client with a secret may be exempt from PKCE; a challenge that it sends is checked, and cannot be removed',
  async (t) => {
    const { service, secret } = await start(t)
    const own = { client_id: 'secretive', redirect_uri: 'https://secretive.example/callback' }
    const exempt = (isExempt: boolean) =>
      service.app.clients.update('secretive', { require_pkce: !isExempt }, { id: null })
    await exempt(true)
    const without = { ...own, code_challenge: undefined, code_challenge_method: undefined }
    const codeOf = async (change: object) => answerOf(await logIn(service, { ...GOOD, ...own, ...change })).code
    const redeem = (code: string, code_verifier: string | undefined) =>
      exchange(service, { ...own, client_secret: secret, code, code_verifier })

    const unprotected = await codeOf(without)
    for (const verifier of [VERIFIER, 'w'.repeat(43), 'short']) {
      t.match(
        (await redeem(unprotected, verifier)).json(),
        { error: 'invalid_grant' },
        `a verifier without a challenge: ${verifier}`,
      )
    }
    t.match((await exchange(service, { ...own, code: unprotected })).json(), { error: 'invalid_client' })
    t.match((await redeem(unprotected, undefined)).json(), { scope: 'openid profile todos:read' })
    t.match((await redeem(unprotected, undefined)).json(), { error: 'invalid_grant' }, 'a code works once')
    t.match(
      (await redeem(await codeOf(without), '')).json(),
      { token_type: 'Bearer' },
      'an empty verifier counts as left out',
    )

    const guarded = await codeOf({})
    for (const verifier of [undefined, '', 'w'.repeat(43)]) {
      t.match((await redeem(guarded, verifier)).json(), { error: 'invalid_grant' }, String(verifier))
    }
    t.match((await redeem(guarded, VERIFIER)).json(), { token_type: 'Bearer' })
    for (const change of [
      { code_challenge_method: undefined },
      { code_challenge: undefined },
      { code_challenge_method: 'plain' },
    ]) {
      t.match(
        errorOf(await asks(service, { ...own, ...change })),
        { error: 'invalid_request' },
        'half of the PKCE parameters, or a weaker method',
      )
    }

    const late = await codeOf(without)
    await exempt(false)
    t.match(errorOf(await asks(service, without)), { error: 'invalid_request' })
    t.match((await redeem(late, undefined)).json(), { error: 'invalid_request' })
    t.match((await redeem(late, VERIFIER)).json(), { error: 'invalid_grant' })
    for (const change of [{ require_pkce: false }, { token_endpoint_auth_method: 'none' as const }]) {
      await exempt(!('require_pkce' in change))
      const id = 'require_pkce' in change ? 'shop' : 'secretive'
      await t.rejects(
        service.app.clients.update(id, change, { id: null }),
        { code: 'client_rejected' },
        'a public client cannot be exempt',
      )
    }
  },
)

t.test('a scope, a resource or a redirect URI that the client has lost is not granted for its code', async (t) => {
  const { service } = await start(t)
  const [api, other] = ['https://api.example', 'https://other.example']
  const change = (changes: object) => service.app.clients.update('shop', changes, { id: null })
  await change({ resources: [api, other], grant_types: ['authorization_code', 'refresh_token'] })
  const asked = { ...GOOD, scope: 'openid email todos:read', resource: api }
  const begin = async () => answerOf(await logIn(service, asked)).code
  const redeem = async (code: string) => (await exchange(service, { code })).json()
  const whole = await redeem(await begin())
  t.match([whole.scope, claimsOf(whole.access_token).aud], [asked.scope, api])

  const [lessScope, noResource, noAddress] = [await begin(), await begin(), await begin()]
  await change({ scope: 'openid todos:read' })
  const less = await redeem(lessScope)
  t.equal(less.scope, 'openid todos:read')
  t.equal(claimsOf(less.access_token).scope, 'openid todos:read')
  t.notHas(claimsOf(less.id_token), { email: String })
  await change({ resources: [other] })
  t.match(await redeem(noResource), { error: 'invalid_target' })
  await change({ redirect_uris: ['https://shop.example/new'] })
  t.match(await redeem(noAddress), { error: 'invalid_grant' })

  const refresh = (refresh_token: string) => exchange(service, { grant_type: 'refresh_token', refresh_token })
  const { refresh_token } = (await refresh(whole.refresh_token)).json()
  await change({ first_party: false })
  t.match((await refresh(refresh_token)).json(), { error: 'invalid_grant' }, 'a third-party client needs consent')
  await change({ first_party: true })
  t.match((await refresh(refresh_token)).json(), { token_type: 'Bearer' }, 'the refresh token is still valid')
})

t.test('an authorization code expires after a minute', async (t) => {
  const { service, mina } = await start(t)
  const user = await service.app.accounts.get(mina.id)
  const device = { cookie: undefined, isShared: false }
  const { session } = await service.app.browserSessions.begin(user, device, { ip: '127.0.0.1' })
  const grant = {
    clientId: 'shop',
    scope: '',
    redirectUri: BACK,
    challenge: CHALLENGE,
    parentId: session.id,
    amr: 'pwd',
    authTime: Date.now(),
  }
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() - 61_000
  const code = service.app.authorizationCodes.make({ ...grant, userId: user.id, authVersion: user.authVersion })
  Date.now = now
  t.match((await exchange(service, { code })).json(), { error: 'invalid_grant' })
  const good = service.app.authorizationCodes.make({ ...grant, userId: user.id, authVersion: user.authVersion })
  t.equal((await exchange(service, { code: good })).statusCode, 200)
})

t.test('only a redirect URI that is registered character for character is accepted', async (t) => {
  const { service } = await start(t)
  const variants = [
    ...[
      'https://shop.example',
      'https://shop.example/',
      `${BACK}/`,
      `${BACK}/..`,
      `${BACK}?`,
      `${BACK}?next=1`,
      `${BACK}#`,
    ],
    ...[`${BACK}#x`, 'https://shop.example/Callback', 'https://SHOP.example/callback', 'HTTPS://shop.example/callback'],
    ...['http://shop.example/callback', 'https://shop.example:443/callback', 'https://shop.example:8443/callback'],
    ...[
      'https://x@shop.example/callback',
      'https://shop.example@evil.example/callback',
      'https://shop.example.evil.example/callback',
    ],
    ...[
      'https://shop.example/%63allback',
      'https://shop.example/a/../callback',
      '//shop.example/callback',
      '/callback',
    ],
    ...['https://game.example/callback', 'javascript:alert(1)', 'data:text/html,x', '', ' ', `${BACK} `, `${BACK}\n`],
    ...[
      'http://127.0.0.1:99999/cb',
      'http://127.0.0.1/cb/',
      'http://127.0.0.1@evil.example/cb',
      'http://localhost:4000/cb/',
      'http://localhost.evil.example/cb',
    ],
  ]
  for (const redirect_uri of variants) {
    for (const answer of [await asks(service, { redirect_uri }), await logIn(service, { ...GOOD, redirect_uri })]) {
      t.equal(answer.statusCode, 400, JSON.stringify(redirect_uri))
      t.notOk(answer.headers.location ?? answer.headers.refresh)
    }
  }
  for (const query of [{ client_id: 'nobody' }, { client_id: undefined }, { redirect_uri: undefined }]) {
    t.equal((await asks(service, query)).statusCode, 400, JSON.stringify(query))
  }
  const twice = await service.app.inject(
    `${addressOf(GOOD)}&redirect_uri=${encodeURIComponent('https://evil.example/')}`,
  )
  t.equal(twice.statusCode, 400)
  for (const host of ['localhost', 'localhost:4000', '127.0.0.1', '127.0.0.1:4000', '[::1]:5000']) {
    const redirect_uri = `http://${host}/cb`
    t.equal((await asks(service, { redirect_uri })).statusCode, 200, redirect_uri)
  }
})

t.test(
  'any other error of a request is returned to the client with its state and the issuer, without a log-in page',
  async (t) => {
    const { service } = await start(t)
    const wrong: [Record<string, string | undefined>, string][] = [
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ response_type: 'code id_token' }, 'unsupported_response_type'],
      [{ response_type: undefined }, 'unsupported_response_type'],
      [{ response_mode: 'fragment' }, 'invalid_request'],
      [{ code_challenge: undefined }, 'invalid_request'],
      [{ code_challenge: '' }, 'invalid_request'],
      [{ code_challenge: VERIFIER.slice(1) }, 'invalid_request'],
      [{ code_challenge_method: undefined }, 'invalid_request'],
      [{ code_challenge_method: 'plain' }, 'invalid_request'],
      [{ code_challenge_method: 's256' }, 'invalid_request'],
      [{ request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
      [{ request_uri: 'https://evil.example/request' }, 'request_uri_not_supported'],
      [{ resource: 'https://other.example' }, 'invalid_target'],
      [{ prompt: 'none' }, 'login_required'],
      [{ prompt: 'none login' }, 'invalid_request'],
      [{ prompt: 'register' }, 'invalid_request'],
      [{ max_age: '-1' }, 'invalid_request'],
      [{ max_age: 'x' }, 'invalid_request'],
      [{ nonce: 'n'.repeat(513) }, 'invalid_request'],
    ]
    for (const [change, error] of wrong) {
      for (const answer of [await asks(service, change), await logIn(service, { ...GOOD, ...change })]) {
        t.equal(answer.statusCode, 303, JSON.stringify(change))
        const { searchParams, origin } = new URL(String(answer.headers.location))
        t.equal(origin, new URL(change.redirect_uri ?? BACK).origin)
        t.match(Object.fromEntries(searchParams), { error, state: GOOD.state, iss: ISSUER })
        t.notOk(searchParams.has('code'))
      }
    }
    const good = await logIn(service, GOOD)
    const silent = await asks(service, {}, cookieOf(good))
    t.match(Object.fromEntries(new URL(String(silent.headers.location)).searchParams), { code: /^lkc_/, iss: ISSUER })
    t.match(answerOf(good), { code: /^lkc_/, iss: ISSUER }, 'a successful answer has the issuer too')
  },
)

t.test('a wrong password shows the form again and gives no code; a form of another site returns 403', async (t) => {
  const { service } = await start(t)
  const answer = await logIn(service, GOOD, { password: 'wrong <b>' })
  t.equal(answer.statusCode, 400)
  t.match(answer.payload, 'role="alert"')
  t.notMatch(answer.payload, /wrong <b>|wrong &lt;b/)
  t.notOk(answer.headers.refresh)
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.events, eq(tables.events.type, 'login.failed')), 1)
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
  ]) {
    const foreign = await logIn(service, GOOD, {}, { ...FORM, ...headers })
    t.equal(foreign.statusCode, 403, JSON.stringify(headers))
    t.notOk(foreign.headers.refresh)
  }
  const script = await asks(service, { state: '"><script>alert(1)</script>' })
  t.notMatch(script.payload, '<script>')
})

t.test('a user with a second factor is asked for it on a separate page, and gets no code without it', async (t) => {
  const { service, mina } = await start(t)
  const app = await addTotp(mina)
  const asked = await logIn(service, GOOD)
  t.equal(asked.statusCode, 200)
  t.notOk(asked.headers.refresh)
  t.match(asked.payload, 'autocomplete="one-time-code"')
  t.notMatch(asked.payload, PASSWORD)
  const [, ticket = ''] = /name="ticket" value="([^"]+)"/.exec(asked.payload) ?? []
  const show = (code: string, shown = ticket) => logIn(service, GOOD, { ticket: shown, code })
  for (const answer of [await show(app.wrongCode()), await show('AAAAA-AAAAA')]) {
    t.equal(answer.statusCode, 400)
    t.match(answer.payload, 'role="alert"')
    t.match(answer.payload, `value="${ticket}"`, 'the password need not be typed again')
    t.notOk(answer.headers.refresh)
  }
  const forged = await show(app.code(), `${ticket.slice(0, -2)}xx`)
  t.equal(forged.statusCode, 400)
  t.match(forged.payload, 'name="password"', 'the log-in starts again')
  for (const code of [app.code(), String(app.recoveryCodes[0])]) {
    const { access_token } = (await exchange(service, answerOf(await show(code)))).json()
    t.same(claimsOf(access_token).amr, ['pwd', 'otp', 'mfa'])
  }
  t.equal((await show(app.code())).statusCode, 400, 'a one-time code works once')
})

t.test('with PAGES=off there is no authorization endpoint and no authorization_code grant', async (t) => {
  const { service } = await start(t, { PAGES: 'off' })
  t.equal((await asks(service, {})).statusCode, 404)
  t.match((await exchange(service, { code: 'lkc_x' })).json(), { error: 'unsupported_grant_type' })
})
