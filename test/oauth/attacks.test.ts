import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { asks, cookieOf, FORM, GOOD, logIn, OURS, posts, sessionOn, start } from './shop.js'

// Attacks that the tests of the flow do not cover.

t.setTimeout(120_000)

const THIRD = { client_id: 'third', redirect_uri: 'https://third.example/callback', scope: 'openid profile' }
const STRANGE = ['https://evil.example/', 'javascript:alert(1)', 'data:text/html,x', 'com.evil.app:/cb', 'about:blank']
const FLOOD = 100

t.test('an unregistered redirect URI returns 400, whatever the prompt, the consent and the password', async (t) => {
  const { service } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const session = sessionOn(await asks(service, THIRD, cookie))
  for (const redirect_uri of STRANGE) {
    for (const prompt of ['none', 'login', 'consent', 'select_account', 'none login']) {
      for (const from of ['', cookie]) {
        refuses(
          t,
          await asks(service, { redirect_uri, prompt, response_type: 'token' }, from),
          `${redirect_uri} ${prompt}`,
        )
      }
    }
    const query = { ...GOOD, ...THIRD, redirect_uri }
    for (const consent of ['yes', 'no'])
      refuses(t, await posts(service, query, { consent, session }, { ...OURS, cookie }), consent)
    refuses(t, await logIn(service, query), 'the right password')
    refuses(t, await logIn(service, query, { password: 'wrong' }), 'a wrong password')
  }
})

t.test('a form from another port, scheme or host neither logs in nor gives consent', async (t) => {
  const { service, mina } = await start(t)
  const cookie = cookieOf(await logIn(service, GOOD))
  const consent = { consent: 'yes', session: sessionOn(await asks(service, THIRD, cookie)) }
  const origins = [
    ...['https://latchkey.test:8443', 'http://latchkey.test', 'https://latchkey.test.evil.example', 'https://LATCHKEY'],
    ...['https://shop.example', 'null', '', 'https://latchkey.test/', 'https://latchkey.test, https://evil.example'],
  ]
  for (const origin of origins) {
    const foreign = await logIn(service, GOOD, {}, { ...FORM, origin })
    t.match(
      [foreign.statusCode, foreign.headers.refresh, foreign.headers['set-cookie']],
      [403, undefined, undefined],
      origin,
    )
    const agreed = await posts(service, { ...GOOD, ...THIRD }, consent, { ...FORM, cookie, origin })
    t.match([agreed.statusCode, agreed.headers.refresh], [403, undefined], origin)
  }
  for (const site of ['none', 'cross-site', 'same-site', '', 'SAME-ORIGIN']) {
    const headers = { ...FORM, cookie, origin: 'https://latchkey.test', 'sec-fetch-site': site }
    t.equal((await posts(service, { ...GOOD, ...THIRD }, consent, headers)).statusCode, 403, `Sec-Fetch-Site: ${site}`)
  }
  t.same((await mina.get('/v1/me/apps')).json().items, [])
  t.ok(
    (await posts(service, { ...GOOD, ...THIRD }, consent, { ...OURS, cookie })).headers.refresh,
    'the form of our own page gives consent',
  )
})

t.test('pages and redirects are not cached and send no Referer to other sites; pages cannot be framed', async (t) => {
  const { service } = await start(t)
  const page = await logIn(service, GOOD)
  const cookie = cookieOf(page)
  const pages = {
    'the log-in': await asks(service, {}),
    'the way back': page,
    consent: await asks(service, THIRD, cookie),
    'a wrong password': await logIn(service, GOOD, { password: 'wrong' }),
    'an unknown client': await asks(service, { client_id: 'nobody' }),
    'another site': await logIn(service, GOOD, {}, { ...FORM, 'sec-fetch-site': 'cross-site' }),
    'the log-out': await service.app.inject({ url: '/account/logout', headers: { cookie } }),
  }
  for (const [name, { headers }] of Object.entries(pages)) {
    t.match(headers['cache-control'], /no-store/, name)
    t.match(headers['content-security-policy'], /frame-ancestors 'none'/, name)
    t.match(headers['referrer-policy'], /^(same-origin|no-referrer)$/, name)
  }
  const redirects = [
    await asks(service, {}, cookie),
    await asks(service, { prompt: 'none' }),
    await asks(service, { scope: '', response_type: 'token' }),
  ]
  for (const { statusCode, headers } of redirects) {
    t.match([statusCode, headers['cache-control']], [303, /no-store/], String(headers.location))
    t.match(headers['referrer-policy'], /^(same-origin|no-referrer)$/)
  }
})

t.test('a flood of unauthenticated requests adds no row to any table', async (t) => {
  const { service } = await start(t)
  // Without the signing keys: the key for id_tokens is created in the background, with the first client.
  const { signingKeys: _keys, ...tables } = service.app.database.tables
  const { db } = service.app.database
  const counts = async () =>
    Object.fromEntries(
      await Promise.all(Object.entries(tables).map(async ([name, table]) => [name, await db.$count(table)])),
    )
  const before = await counts()
  for (let index = 0; index < FLOOD; index++) {
    const change = { state: `s${index}`, nonce: `n${index}`, client_id: ['shop', 'third', `nobody${index}`][index % 3] }
    await asks(service, change, `__Host-latchkey=lkb_${index}`)
    await service.app.inject(`/account/logout?state=${index}&client_id=nobody${index}`)
  }
  t.same(await counts(), before)
})

function refuses(t: Test, { statusCode, headers }: Response, what: string): void {
  const outcome = [statusCode, headers.location, headers.refresh, headers['set-cookie']]
  t.same(outcome, [400, undefined, undefined, undefined], what)
}
