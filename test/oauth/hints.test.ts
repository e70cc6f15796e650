import { createHmac } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import fc from 'fast-check'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { withDefaults } from '../../src/clients/registration.js'
import { hostileText } from '../fuzz/arbitraries.js'
import { claimsOf, type Service } from '../helper.js'
import {
  addressOf,
  answerOf,
  asks,
  BACK,
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

const APP = { client_id: 'app', redirect_uri: 'https://app.example/callback' }
const THIRD = { client_id: 'third', redirect_uri: 'https://third.example/callback' }
/** The number of requests by GET, and by POST, and the longest text of a parameter. */
const RUNS = 150
const LONGEST = 1_500

t.test('a client that sends an id_token_hint gets an answer for that user only', async (t) => {
  const { service, mina } = await start(t)
  await service.signUp('joon')
  for (const client of [{}, APP]) {
    if (client === APP) await registerApp(service)
    const { cookie, hint } = await hintOf(service, client)
    const joons = cookieOf(await logIn(service, GOOD, { username: 'joon' }))
    const asked = { ...client, id_token_hint: hint }
    for (const prompt of [{}, { prompt: 'none' }, { max_age: '600' }]) {
      const code = codeOf(await asks(service, { ...asked, ...prompt }, cookie)) ?? ''
      t.equal(claimsOf((await exchange(service, { ...client, code })).json().id_token).sub, String(mina.id))
    }
    for (const from of ['', joons]) {
      const silent = await asks(service, { ...asked, prompt: 'none' }, from)
      t.match([silent.statusCode, errorOf(silent)], [303, { error: 'login_required', state: GOOD.state, iss: ISSUER }])
      const page = await asks(service, asked, from)
      t.match([page.statusCode, page.payload], [200, /name="password"/], 'the user has to log in')
      t.notMatch(page.payload, /value="(mina|joon)"/, 'the page shows no user name')
      for (const answer of [silent, page]) t.notOk(answer.headers['set-cookie'], 'a hint logs nobody in')
    }
    t.match((await asks(service, { ...asked, prompt: 'login' }, cookie)).payload, 'value="mina"')

    const other = await logIn(service, { ...GOOD, ...asked }, { username: 'joon' })
    t.match(errorOf(other), { error: 'login_required', state: GOOD.state, iss: ISSUER, code: undefined })
    const { code } = answerOf(
      await logIn(service, { ...GOOD, ...asked, prompt: 'login' }, {}, { ...OURS, cookie: joons }),
    )
    t.equal(claimsOf((await exchange(service, { ...client, code })).json().id_token).sub, String(mina.id))
  }
  const { cookie, hint } = await hintOf(service)
  await service.app.administration.change(mina.id, { isActive: false }, { id: null })
  const gone = await asks(service, { id_token_hint: hint, prompt: 'none' }, cookie)
  t.match(errorOf(gone), { error: 'login_required' }, 'a disabled user is not logged in')
})

t.test('consent is asked only of the user that the id_token_hint names', async (t) => {
  const { service, mina } = await start(t)
  const joon = await service.signUp('joon')
  const { cookie } = await hintOf(service)
  const session = sessionOn(await asks(service, THIRD, cookie))
  const first = answerOf(await agrees(service, THIRD, { session, cookie }))
  const hint = (await exchange(service, { ...THIRD, code: first.code })).json().id_token
  t.equal((await mina.delete('/v1/me/apps/third')).statusCode, 204)

  const asked = { ...THIRD, id_token_hint: hint }
  t.match((await asks(service, THIRD, cookie)).payload, 'select_account')
  const page = await asks(service, asked, cookie)
  t.match(page.payload, 'name="consent"')
  t.notMatch(page.payload, 'select_account', 'the page does not offer another account')
  const joons = cookieOf(await logIn(service, GOOD, { username: 'joon' }))
  const joonsPage = sessionOn(await asks(service, THIRD, joons))
  const forged = await agrees(service, asked, { session: joonsPage, cookie: joons })
  t.match([forged.statusCode, forged.headers.location], [303, /^\/authorize\?/])
  t.same((await joon.get('/v1/me/apps')).json().items, [])
  t.ok(answerOf(await agrees(service, asked, { session: sessionOn(page), cookie })).code)
})

t.test('an expired id_token is a valid hint as long as its signing key is known', async (t) => {
  const { service } = await start(t)
  const { app } = service
  const { cookie, hint } = await hintOf(service)
  const old = await app.idTokenKeys.sign('RS256', { ...claimsOf(hint), iat: 1_000_000_000, exp: 1_000_000_600 })
  const silent = async (id_token_hint: string) => asks(service, { id_token_hint, prompt: 'none' }, cookie)
  t.ok(codeOf(await silent(old)), 'a hint that expired long ago')

  const [next] = await app.idTokenKeys.rotate()
  const { db, tables } = app.database
  const { kid, signsFrom } = tables.signingKeys
  await db
    .update(tables.signingKeys)
    .set({ signsFrom: sql`${signsFrom} - 3600000` })
    .where(eq(kid, String(next)))
  await app.idTokenKeys.reload()
  const { hint: newer } = await hintOf(service)
  t.not(headOf(newer).kid, headOf(hint).kid)
  for (const one of [hint, old, newer])
    t.ok(codeOf(await silent(one)), 'a key from before the rotation still verifies hints')
  const posted = await service.app.inject({
    ...{ method: 'POST', url: '/authorize', headers: { ...FORM, 'sec-fetch-site': 'cross-site' } },
    payload: new URLSearchParams({ ...GOOD, id_token_hint: hint }).toString(),
  })
  t.ok(codeOf(await service.app.inject({ url: String(posted.headers.location), headers: { cookie } })))
  const { response_type: _, ...incomplete } = GOOD
  const refused = await service.app.inject({
    ...{ method: 'POST', url: '/authorize', headers: { ...FORM, 'sec-fetch-site': 'cross-site' } },
    payload: new URLSearchParams(incomplete).toString(),
  })
  t.match(errorOf(await service.app.inject({ url: String(refused.headers.location), headers: { cookie } })), {
    error: 'unsupported_response_type',
  })

  await app.idTokenKeys.retire(String(headOf(hint).kid))
  t.match(errorOf(await silent(hint)), { error: 'invalid_request' }, 'a retired key verifies no hint')
  t.ok(codeOf(await silent(newer)))
})

t.test('an invalid id_token_hint is returned to the client as an error, and logs nobody in', async (t) => {
  const { service, mina } = await start(t)
  await registerApp(service)
  const { cookie, hint, tokens } = await hintOf(service)
  const { hint: others } = await hintOf(service, APP)
  const { app } = service
  const [head = '', body = '', signature = ''] = hint.split('.')
  const claims = claimsOf(hint)
  const sign = (change: object) => app.idTokenKeys.sign('RS256', { ...claims, ...change })
  const [jwk] = app.idTokenKeys.publicJwks().keys
  const hs = `${encode({ ...headOf(hint), alg: 'HS256' })}.${body}`
  const joon = encode({ ...claims, sub: '2' })
  const wrong: Record<string, string> = {
    'no token': 'mina',
    dots: '..',
    'one part more': `${hint}.x`,
    'another signature': `${head}.${body}.${signature.slice(0, -6)}AAAAAA`,
    'no signature': `${head}.${body}.`,
    'alg none': `${encode({ alg: 'none' })}.${body}.`,
    'alg ES256 with the key of RS256': `${encode({ ...headOf(hint), alg: 'ES256' })}.${body}.${signature}`,
    HS256: `${hs}.${createHmac('sha256', JSON.stringify(jwk)).update(hs).digest('base64url')}`,
    'another sub': `${head}.${joon}.${signature}`,
    'an unknown kid': `${encode({ ...headOf(hint), kid: 'x' })}.${body}.${signature}`,
    'another issuer': await sign({ iss: 'https://evil.example' }),
    'no issuer': await sign({ iss: undefined }),
    'several audiences': await sign({ aud: ['shop', 'game'] }),
    'a sub that is a number': await sign({ sub: mina.id }),
    'no sub': await sign({ sub: undefined }),
    'the id_token of another client': others,
    'an access token': tokens.access_token,
    'an access token of our own client': mina.token,
    'a refresh token': mina.login.refresh_token,
    'what breaks parsers': `${encode('{')}.${encode('[]')}.${'\0'}`,
    'a long text': `${head}.${'x'.repeat(4_000)}.${signature}`,
    'an address': 'https://evil.example/',
  }
  for (const [what, id_token_hint] of Object.entries(wrong)) {
    for (const from of ['', cookie]) {
      for (const prompt of [undefined, 'none', 'login']) {
        const answer = await asks(service, { id_token_hint, ...(prompt && { prompt }) }, from)
        refuses(t, answer, id_token_hint, `${what} ${prompt}`)
      }
    }
    refuses(t, await logIn(service, { ...GOOD, id_token_hint }), id_token_hint, `${what}, with the right password`)
    const strange = await asks(service, { id_token_hint, redirect_uri: 'https://evil.example/' }, cookie)
    t.match([strange.statusCode, strange.headers.location], [400, undefined], what)
    t.notOk(strange.payload.includes(id_token_hint), what)
  }
  const twice = await service.app.inject(`${addressOf({ ...GOOD, id_token_hint: hint })}&id_token_hint=${hint}`)
  refuses(t, twice, hint, 'twice')
  t.ok(
    codeOf(await asks(service, { id_token_hint: '' }, cookie)),
    'RFC 6749, 3.1: an empty parameter counts as left out',
  )
})

t.test('no generated request redirects elsewhere, logs in or causes a server error', async (t) => {
  const { service } = await start(t)
  const { hint } = await hintOf(service)
  await service.signUp('joon')
  const cookie = cookieOf(await logIn(service, GOOD, { username: 'joon' }))
  const known = fc.constantFrom(hint, 'none', 'login', 'code', 'S256', ISSUER, BACK, 'shop', 'third')
  const text = fc.oneof(hostileText, known).map((value) => value.slice(0, LONGEST))
  const names = [...Object.keys(GOOD), 'prompt', 'max_age', 'id_token_hint', 'login_hint', 'ui_locales', 'nonce']
  const others = ['response_mode', 'request', 'resource', 'post_logout_redirect_uri', '__proto__', 'toString']
  const change = fc.tuple(fc.constantFrom(...names, ...others), text)
  const changes = fc.array(change, { minLength: 1, maxLength: 4 })
  const property = fc.asyncProperty(fc.constantFrom('/authorize', '/account/logout'), changes, async (path, pairs) => {
    const query = new URLSearchParams(path === '/authorize' ? GOOD : {})
    for (const [name, value] of pairs) query.set(name, value)
    const url = `${path}?${query}`
    const payload = new URLSearchParams({ username: 'mina', password: 'wrong' }).toString()
    const asked = await service.app.inject({ url, headers: { cookie } })
    const posted = await service.app.inject({ method: 'POST', url, headers: OURS, payload })
    return [asked, posted].every(({ statusCode, headers }) => {
      const to = headers.location ?? headers.refresh ?? path
      return (
        statusCode < 500 && !headers['set-cookie'] && [`${BACK}?`, path].some((start) => String(to).startsWith(start))
      )
    })
  })
  await fc.assert(property, { numRuns: RUNS, seed: 1 })
  t.match(await asks(service, {}, cookie), { statusCode: 303 }, 'the user is still logged in')
})

function refuses(t: Test, answer: Response, hint: string, what: string): void {
  const { statusCode, headers } = answer
  t.match([statusCode, errorOf(answer)], [303, { error: 'invalid_request', state: GOOD.state, iss: ISSUER }], what)
  t.ok(headers.location?.startsWith(`${BACK}?`), what)
  t.notOk(headers.location?.includes(encodeURIComponent(hint)), what)
  t.same([codeOf(answer), headers['set-cookie']], [undefined, undefined], what)
}

/** Gives consent to a third-party client. */
function agrees(
  service: Service,
  query: Record<string, string>,
  { session, cookie }: Record<'session' | 'cookie', string>,
): Promise<Response> {
  return posts(service, { ...GOOD, ...query }, { consent: 'yes', session }, { ...OURS, cookie })
}

/** A browser in which mina has logged in, and the id_token that a client received. */
async function hintOf(service: Service, client: Record<string, string> = {}) {
  const page = await logIn(service, { ...GOOD, ...client })
  const tokens = (await exchange(service, { ...client, code: answerOf(page).code })).json()
  return { cookie: cookieOf(page), tokens, hint: String(tokens.id_token) }
}

/** A client whose id_tokens are signed with ES256. */
async function registerApp({ app }: Service): Promise<void> {
  const registration = withDefaults({
    ...{ client_name: 'The App', redirect_uris: [APP.redirect_uri], token_endpoint_auth_method: 'none' },
    ...{ first_party: true, scope: 'openid profile', id_token_signed_response_alg: 'ES256' },
  })
  await app.clients.create('app', registration, { id: null })
}

function headOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString())
}

function encode(value: object | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}
