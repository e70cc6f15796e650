import { eq } from 'drizzle-orm'
import * as OTPAuth from 'otpauth'
import t from 'tap'
import { withDefaults } from '../../src/clients/registration.js'
import { addTotp, forget } from '../factors/people.js'
import { PASSWORD, type Service, startService } from '../helper.js'
import { formsOf, WITH_PAGES } from '../mail/links.js'
import { ALIVE, DEAD, sessionStatus } from '../support/people.js'
import { Browser, browse } from './browsing.js'

t.setTimeout(240_000)

const NEXT = 'four louder lanterns'
const HOSTILE = `<script>alert('1')</script>&"`
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const PAGES = [
  ...[
    '',
    '/profile',
    '/address',
    '/password',
    '/second-factor',
    '/sessions',
    '/apps',
    '/api-keys',
    '/export',
    '/delete',
  ],
]
const FOREIGN: Record<string, string>[] = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site', origin: WITH_PAGES.PUBLIC_URL },
  { 'sec-fetch-site': 'none' },
  { origin: 'https://login.example.com:8443' },
  { origin: 'http://login.example.com' },
  { origin: 'null' },
  {},
]

t.test('the pages of an account require its browser session; other requests lead to the log-in page', async (t) => {
  const service = await startService(t, WITH_PAGES)
  await service.signUp('mina')
  const mina = await browse(service, 'mina')
  for (const page of PAGES) {
    const url = `/account${page}`
    const { statusCode, headers, body } = await mina.open(url)
    t.equal(statusCode, 200, url)
    t.match(headers, { 'cache-control': 'no-store', 'content-security-policy': /frame-ancestors 'none'/ })
    t.ok(body.length < 20 * 1024, `${body.length} bytes`)
    for (const cookie of ['', 'lkb_nonsense', `${mina.cookie}x`]) {
      const refused = await service.app.inject({ url, headers: { cookie } })
      t.match([refused.statusCode, refused.headers.location], [303, `/account/login?to=${encodeURIComponent(url)}`])
      t.notMatch(refused.body, /mina/)
    }
  }
  const cookieless = await service.app.inject({ url: '/account', headers: { 'sec-fetch-site': 'same-origin' } })
  t.equal(cookieless.headers.location, '/account/login?to=%2Faccount&cookieless=1', 'after a log-in, for example')
  t.match((await service.app.inject(String(cookieless.headers.location))).body, /role="alert">[^<]*allow cookies/)
  const long = await service.app.inject(`/account/sessions?done=1&x=${'a'.repeat(1_000)}`)
  const back = await service.app.inject(String(long.headers.location))
  t.match([back.statusCode, back.body], [200, 'action="/account/login?to=%2Faccount%2Fsessions"'], 'without the query')
  const out = await mina.send('/account', { deed: 'log-out' })
  t.match([out.statusCode, out.headers.location], [303, '/account/login'])
  t.match(out.headers['set-cookie'], /Max-Age=0/)
  t.equal((await mina.open('/account')).statusCode, 303, 'a copy of the cookie no longer works')
})

t.test('a form of a page of one account changes nothing after a log-in to another account', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const person = await service.signUp('mina')
  await service.signUp('joon')
  const [mina, joon] = [await browse(service, 'mina'), await browse(service, 'joon')]
  await allow(service, person.id, { id: 'shop', name: 'The Shop', scope: 'openid' })
  const before = await stateOf(service)
  for (const page of PAGES.slice(1)) {
    const forms = formsOf((await mina.open(`/account${page}`)).body)
    t.ok(forms.length > 0, page)
    for (const { action, fields } of forms) {
      const { statusCode, body } = await joon.send(action, fields)
      t.match([statusCode, body], [409, 'logged in to another account'], page)
    }
  }
  t.same(await stateOf(service), before)
  const [form] = formsOf((await mina.open('/account/profile')).body)
  t.equal((await mina.send('/account/profile', { ...form?.fields, name: 'Mina', locale: 'ko' })).statusCode, 303)
})

t.test('account forms from another site, port or program are rejected, and change nothing', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const person = await service.signUp('mina')
  const mina = await browse(service, 'mina')
  await allow(service, person.id, { id: 'shop', name: 'The Shop', scope: 'openid' })
  const { db, tables } = service.app.database
  const waiting = { pendingEmail: 'mina@example.org', pendingEmailKey: 'mina@example.org' }
  await db.update(tables.users).set(waiting).where(eq(tables.users.id, person.id))
  const before = await stateOf(service)
  const forms: [string, Record<string, string>][] = [
    ['', { deed: 'log-out' }],
    ['/profile', { name: 'Mallory', locale: 'ko' }],
    ['/address', { email: 'mallory@example.com', current_password: PASSWORD }],
    ['/password', { current_password: PASSWORD, new_password: NEXT }],
    ['/second-factor', { deed: 'begin' }],
    ['/sessions', { deed: 'end-others' }],
    ['/apps', { id: 'shop' }],
    ['/api-keys', { deed: 'make', name: 'x', days: '30', 'scope-profile': 'yes' }],
    ['/export', {}],
    ['/delete', { current_password: PASSWORD, sure: 'yes' }],
  ]
  t.same(
    forms.map(([page]) => page),
    PAGES,
  )
  forms.push(['/address', { deed: 'withdraw' }])
  for (const [page, fields] of forms) {
    for (const headers of FOREIGN) {
      const { statusCode, body } = await mina.send(`/account${page}`, fields, headers)
      t.equal(statusCode, 403, `${page} ${JSON.stringify(headers)}`)
      t.match(body, /another site/)
    }
    const json = await service.app.inject({
      ...{ method: 'POST', url: `/account${page}`, payload: fields },
      headers: { cookie: mina.cookie, 'sec-fetch-site': 'same-origin' },
    })
    t.equal(json.statusCode, 415, 'only a form body is accepted')
  }
  t.same(await stateOf(service), before)
  t.equal(await sessionStatus(person), ALIVE)
})

t.test('people change their name, their language, their address and their password', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const [person, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const mina = await browse(service, 'mina')
  const name = `${HOSTILE} \u0634`
  t.match((await mina.send('/account/profile', { name, locale: 'ko' })).headers, {
    location: '/account/profile?done=1',
  })
  t.match(await service.app.accounts.get(person.id), { name, locale: 'ko' })
  for (const page of PAGES) t.notMatch((await mina.open(`/account${page}`)).body, /<script>/, page)
  t.match((await mina.open('/account')).body, /<bdi>&#60;script&#62;/)
  t.match((await mina.open('/account/profile?done=1')).body, /role="status"/)
  t.equal((await mina.send('/account/profile', { name: 'left \u202e right', locale: '' })).statusCode, 400)
  t.match(await service.app.accounts.get(person.id), { name })
  const { db, tables } = service.app.database
  const imported = { name: 'left \u202e right' }
  await db.update(tables.users).set(imported).where(eq(tables.users.id, person.id))
  t.equal((await mina.send('/account/profile', { ...imported, locale: 'en' })).statusCode, 303, 'the name stays')
  await mina.send('/account/profile', { name: '', locale: '' })
  t.match(await service.app.accounts.get(person.id), { name: null, locale: null })

  const address = { email: 'mina@example.org', current_password: PASSWORD }
  for (const change of [{ current_password: 'wrong' }, { email: 'no address' }]) {
    const { statusCode, body } = await mina.send('/account/address', { ...address, ...change })
    t.equal(statusCode, 400)
    t.match(body, /role="alert"/)
    t.notMatch(body, PASSWORD)
  }
  t.equal((await service.app.accounts.get(person.id)).email, null)
  t.equal((await mina.send('/account/address', address)).statusCode, 303)
  t.equal((await service.app.accounts.get(person.id)).email, 'mina@example.org')

  const passwords = { current_password: PASSWORD, new_password: NEXT }
  for (const change of [{ current_password: 'wrong' }, { new_password: 'password' }]) {
    t.equal((await mina.send('/account/password', { ...passwords, ...change })).statusCode, 400)
  }
  t.equal((await mina.send('/account/password', passwords)).statusCode, 303)
  t.equal(await sessionStatus(person), DEAD)
  t.equal((await mina.open('/account')).statusCode, 200, 'this browser stays logged in')
  t.equal((await service.logIn('mina', NEXT)).id, person.id)
  t.equal(await sessionStatus(joon), ALIVE)
})

t.test('users see and end their own sessions, and cannot end the sessions of other users', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const [person, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const [mina, phone] = [await browse(service, 'mina', { 'user-agent': FIREFOX }), await browse(service, 'mina')]
  const page = await mina.open('/account/sessions')
  t.match(page.body, /Firefox on Linux<\/strong>\s*<span class="tag">this browser/)
  const idsOf = (body: string) => formsOf(body).flatMap(({ fields }) => fields.id ?? [])
  t.equal(idsOf(page.body).length, 3)
  const [theirs] = (await joon.get('/v1/sessions')).json().items
  t.equal((await mina.send('/account/sessions', { deed: 'end', id: theirs.id })).statusCode, 404)
  t.equal((await joon.get('/v1/me')).statusCode, 200)
  const [, second = ''] = idsOf(page.body)
  t.equal((await mina.send('/account/sessions', { deed: 'end', id: second })).statusCode, 303)
  const twice = await mina.send('/account/sessions', { deed: 'end', id: second })
  t.match(twice, { statusCode: 404, body: /role="alert">Not found\. It may have been removed/ })
  t.equal(idsOf(twice.body).length, 2, 'a form that is sent twice still shows the list')
  t.equal((await phone.open('/account')).statusCode, 303)
  t.equal((await person.get('/v1/me')).statusCode, 200, 'the other sessions go on')
  t.equal((await mina.send('/account/sessions', { deed: 'end-others' })).statusCode, 303)
  t.equal(await sessionStatus(person), DEAD)
  t.equal((await mina.open('/account')).statusCode, 200)
  t.match((await mina.open('/account/sessions')).body, /logged in nowhere else/)
  t.equal(await sessionStatus(joon), ALIVE)
})

t.test(
  'users add an authenticator app and remove it; five minutes after the log-in they have to log in again',
  async (t) => {
    const service = await startService(t, WITH_PAGES)
    const [person, joon] = [await service.signUp('mina'), await service.signUp('joon')]
    const theirs = await addTotp(joon)
    const mina = await browse(service, 'mina')
    const url = '/account/second-factor'
    const uriOn = ({ body }: { body: string }) => (formsOf(body)[0]?.fields.uri ?? '').replaceAll('&#38;', '&')
    const earlier = uriOn(await mina.send(url, { deed: 'begin' }))
    const scan = await mina.send(url, { deed: 'begin', name: HOSTILE })
    const code = (OTPAuth.URI.parse(earlier) as OTPAuth.TOTP).generate()
    const replaced = await mina.send(url, { deed: 'confirm', uri: earlier, code })
    t.match(replaced, { statusCode: 400, body: /out of date/ })
    t.notMatch(replaced.body, 'otpauth:', 'a secret that another tab has replaced is not shown again')
    t.match(scan.body, /<svg xmlns/)
    const uri = uriOn(scan)
    t.match(scan.body, `<a href="${uri.replaceAll('&', '&#38;')}">`, 'a phone cannot scan its own screen')
    const totp = OTPAuth.URI.parse(uri) as OTPAuth.TOTP
    const wrong = await mina.send(url, { deed: 'confirm', uri, code: '000000' })
    t.equal(wrong.statusCode, 400)
    t.equal(
      /<path d="[^"]+"/.exec(wrong.body)?.[0],
      /<path d="[^"]+"/.exec(scan.body)?.[0],
      'the same QR code is shown again',
    )
    t.same(await service.app.factors.list(person.id), [])
    for (const hostile of ['javascript:alert(1)', 'https://evil.example', `otpauth://totp/x ${HOSTILE}`]) {
      t.equal((await mina.send(url, { deed: 'confirm', uri: hostile, code: '000000' })).statusCode, 400)
    }
    const codes = await mina.send(url, { deed: 'confirm', uri, code: totp.generate() })
    const [, shown = ''] = /<p class="secret"[^>]*>([^<]+)</.exec(codes.body) ?? []
    t.equal(shown.split('\n').length, 10)
    t.equal(await sessionStatus(person), DEAD, 'a session without the second factor is ended')
    t.equal(await service.app.factors.recoveryCodesLeft(person.id), 10)
    const twice = await mina.send(url, { deed: 'confirm', uri, code: totp.generate() })
    t.match(twice, { statusCode: 400, body: /out of date.*did not see your recovery codes/ })
    t.match(twice.body, /value="new-codes"/)
    t.notMatch(twice.body, 'otpauth:', 'the form for a secret that is out of date is not shown again')

    const list = await mina.open(url)
    t.match(list.body, /<bdi>&#60;script/)
    t.notMatch(list.body, /<script>|secret=/)
    t.equal((await mina.send(url, { deed: 'remove', id: theirs.id, sure: 'yes' })).statusCode, 404)
    t.equal((await service.app.factors.list(joon.id)).length, 1)
    const [factor] = await service.app.factors.list(person.id)
    const rename = { deed: 'rename', id: factor?.id ?? '', name: 'My phone' }
    t.equal((await mina.send(url, { ...rename, id: theirs.id })).statusCode, 404)
    t.same(
      (await service.app.factors.list(joon.id)).map(({ name }) => name),
      ['phone'],
    )
    t.equal((await mina.send(url, rename)).statusCode, 303)
    t.match((await mina.open(url)).body, /<bdi>My phone<\/bdi>/)
    t.equal((await mina.send(url, { deed: 'remove', id: factor?.id ?? '' })).statusCode, 400, 'the box is not ticked')
    t.match((await mina.send(url, { deed: 'new-codes' })).body, /class="secret"/)

    await letMinutesPass(service)
    for (const page of ['password', 'address', 'delete']) {
      const { statusCode, headers } = await mina.open(`/account/${page}`)
      t.same([statusCode, headers.location], [303, `/account/login?to=%2Faccount%2F${page}&again=1`])
    }
    const late = await mina.send(url, { deed: 'remove', id: factor?.id ?? '', sure: 'yes' })
    const proof = '/account/login?to=%2Faccount%2Fsecond-factor&again=1'
    t.match([late.statusCode, late.headers.location], [303, `${proof}&lost=1`])
    const told = await mina.open(`${proof}&lost=1`)
    t.match(told.body, /role="alert">What you sent was not saved/)
    t.equal(formsOf(told.body)[0]?.action.replaceAll('&#38;', '&'), proof)
    t.notMatch((await mina.open(proof)).body, 'was not saved')
    t.equal((await service.app.factors.list(person.id)).length, 1)
    await forget(service, person.id)
    const asked = await mina.send(proof, { username: 'mina', password: PASSWORD })
    const [form] = formsOf(asked.body)
    const back = await mina.send(proof, { ...form?.fields, code: totp.generate() })
    t.match([back.statusCode, back.headers.location], [303, url])
    const again = new Browser(service, String(back.headers['set-cookie']).split(';')[0] ?? '')
    t.equal((await again.send(url, { deed: 'remove', id: factor?.id ?? '', sure: 'yes' })).statusCode, 303)
    t.same(await service.app.factors.list(person.id), [])
    await letMinutesPass(service)
    t.equal((await again.open('/account/password')).statusCode, 200, 'without a second factor the password is enough')
  },
)

t.test('users create API keys with the scopes that they choose, and revoke them', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const [, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const theirs = (await joon.post('/v1/me/api-keys', { name: 'x', scope: 'profile', expires_at })).json()
  const mina = await browse(service, 'mina')
  const url = '/account/api-keys'
  const making = { deed: 'make', name: HOSTILE, days: '30' }
  const again = await mina.send(url, making)
  t.match(
    again,
    { statusCode: 400, body: /value="&#60;script&#62;alert.*value="30" selected/s },
    'a key without a scope is rejected',
  )
  const admins = await mina.send(url, { ...making, 'scope-users:read': 'yes', 'scope-profile': 'yes' })
  t.match(
    admins,
    { statusCode: 400, body: /name="scope-profile" value="yes" checked/ },
    'a scope for admins is rejected',
  )
  t.equal((await mina.send(url, { ...making, 'scope-profile': 'yes', days: '9999' })).statusCode, 400)
  t.notMatch((await mina.open(url)).body, /users:read/)
  const madeUp = { 'scope-x\nset-cookie: y': 'yes', 'scope-관리': 'yes', [`scope-${'x'.repeat(9_999)}`]: 'yes' }
  const made = await mina.send(url, { ...making, ...madeUp, 'scope-todos:read': 'yes', 'scope-profile': 'yes' })
  const [, key = ''] = /<p class="secret"[^>]*>(lkk_[^<]+)</.exec(made.body) ?? []
  const authorization = `Bearer ${key}`
  t.equal((await service.get('/v1/todos', { authorization })).statusCode, 200)
  t.equal((await service.post('/v1/todos', { title: 'x' }, { authorization })).statusCode, 403)
  const verified = await service.get('/v1/verify?scope=profile', { authorization })
  t.match([verified.statusCode, verified.headers['x-latchkey-scope']], [204, 'profile todos:read'], 'no made-up scope')
  const list = await mina.open(url)
  t.match(list.body, /<bdi>&#60;script/)
  t.notMatch(list.body, key)
  t.equal((await mina.send(url, { deed: 'end', id: theirs.id })).statusCode, 404)
  t.equal((await service.get('/v1/me', { authorization: `Bearer ${theirs.key}` })).statusCode, 200)
  const [ending] = formsOf(list.body)
  t.equal((await mina.send(url, ending?.fields ?? {})).statusCode, 303)
  t.match(await mina.send(url, ending?.fields ?? {}), { statusCode: 404, body: /Back to your account/ })
  t.equal((await service.get('/v1/todos', { authorization })).statusCode, 401)
  await letMinutesPass(service)
  t.match((await mina.open(url)).headers, { location: '/account/login?to=%2Faccount%2Fapi-keys&again=1' })
})

t.test('users see which applications have access, and revoke one; consents of other users stay', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const [person, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const mina = await browse(service, 'mina')
  const url = '/account/apps'
  t.match((await mina.open(url)).body, /No application has access/)
  await allow(service, person.id, { id: 'shop', name: HOSTILE, scope: 'openid todos:read own:word' })
  await allow(service, joon.id, { id: 'shop', name: HOSTILE, scope: 'openid email' })
  await allow(service, joon.id, { id: 'bank', name: 'The Bank', scope: '' })
  const { body } = await mina.open(url)
  t.match(body, /<bdi>&#60;script/)
  t.match(body, /<li>Read the todos\.<\/li>\s*<li>own:word<\/li>/)
  t.notMatch(body, /<script>|The Bank|Read the e-mail address/)
  t.match((await mina.open(url, { 'accept-language': 'ko' })).body, /할 일 보기/)
  const foreign = await mina.send(url, { id: 'bank' })
  t.match(
    foreign,
    { statusCode: 404, body: /Not found\. It may have been removed.*Back to your account/s },
    'an application that only another user allowed',
  )
  const taken = await mina.send(url, formsOf(body)[0]?.fields ?? {})
  t.match([taken.statusCode, taken.headers.location], [303, '/account/apps?done=1'])
  t.same(await service.app.consents.list(person.id), [])
  t.equal((await service.app.consents.list(joon.id)).length, 2)
  t.equal((await mina.send(url, { id: 'shop' })).statusCode, 404)
})

t.test('people download what is stored about them, after a recent log-in', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const [person, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await person.post('/v1/todos', { title: 'Water the plants' })
  await joon.post('/v1/todos', { title: 'private-to-joon' })
  const mina = await browse(service, 'mina')
  const [form] = formsOf((await mina.open('/account/export')).body)
  const file = await mina.send('/account/export', form?.fields ?? {})
  t.match([file.statusCode, file.headers], [200, { 'content-disposition': /^attachment; filename="/ }])
  t.match(file.headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' })
  t.match(file.json(), { profile: { username: 'mina' }, todos: [{ title: 'Water the plants' }] })
  t.notMatch(file.body, /joon/)
  await letMinutesPass(service)
  const late = await mina.send('/account/export', {})
  t.match([late.statusCode, late.headers.location], [303, '/account/login?to=%2Faccount%2Fexport&again=1'])
})

t.test('deleting an account requires the password and a ticked checkbox', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const [person, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const mina = await browse(service, 'mina')
  const right = { current_password: PASSWORD, sure: 'yes' }
  t.equal((await mina.send('/account/delete', { current_password: PASSWORD })).statusCode, 400)
  t.equal((await mina.send('/account/delete', { ...right, current_password: 'wrong' })).statusCode, 400)
  t.equal((await service.app.accounts.get(person.id)).id, person.id)
  const gone = await mina.send('/account/delete', right)
  t.match([gone.statusCode, gone.body], [200, /The account is deleted/])
  t.match(gone.headers['set-cookie'], /Max-Age=0/)
  await t.rejects(service.app.accounts.get(person.id), { code: 'not_found' })
  t.equal((await mina.open('/account')).statusCode, 303)
  t.equal(await sessionStatus(joon), ALIVE)
})

/** Records a user's consent to an application. */
async function allow({ app }: Service, userId: number, { id, name, scope }: Record<'id' | 'name' | 'scope', string>) {
  const known = app.knownClients.find(id)
  if (known === undefined) await app.clients.create(id, withDefaults({ client_name: name }), { id: null })
  const client = await app.knownClients.lookUp(id)
  if (client === undefined) throw new Error(`no client ${id}`)
  await app.consents.grant(client, { userId, scope }, { ip: '127.0.0.1' })
}

/** Everything that the forms could change. */
async function stateOf({ app }: Service) {
  const { db, tables } = app.database
  const keys = await db.select({ id: tables.apiKeys.id, revokedAt: tables.apiKeys.expiresAt }).from(tables.apiKeys)
  const sessions = await db
    .select({ id: tables.sessions.id, revokedAt: tables.sessions.revokedAt })
    .from(tables.sessions)
  const factors = await db.select({ id: tables.factors.id }).from(tables.factors)
  const consents = await db.select().from(tables.consents)
  const exports = await db.$count(tables.events, eq(tables.events.type, 'account.exported'))
  return { users: await db.select().from(tables.users), sessions, keys, factors, consents, exports }
}

/** Makes all log-ins older than a recent log-in may be. */
async function letMinutesPass({ app }: Service): Promise<void> {
  const { db, tables } = app.database
  await db
    .update(tables.sessions)
    .set({ authTime: Date.now() - 301_000 })
    .where(eq(tables.sessions.kind, 'browser'))
}
