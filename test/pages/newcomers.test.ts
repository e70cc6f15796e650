import { eq } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { withDefaults } from '../../src/clients/registration.js'
import { addTotp } from '../factors/people.js'
import { PASSWORD, type Service } from '../helper.js'
import { formsOf, newestGifts, open, submit, WITH_PAGES } from '../mail/links.js'
import { deliver, register, startMailing } from '../mail/people.js'
import { startSmtp } from '../mail/servers.js'
import { AUTHORIZE } from './gallery.js'

t.setTimeout(240_000)

const FOREIGN: Record<string, string>[] = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site', origin: WITH_PAGES.PUBLIC_URL },
  { origin: 'https://login.example.com:8443' },
  { origin: 'null' },
]

t.test('a new user creates an account on the way to an application, and continues to the application', async (t) => {
  const { service } = await start(t)
  const logIn = await open(service, `https://x${AUTHORIZE}`)
  const address = linkOf(logIn, 'Create an account')
  t.equal(address, AUTHORIZE.replace('/authorize', '/account/register'))
  const page = await open(service, `https://x${address}`)
  t.match(page.headers, { 'cache-control': 'no-store', 'content-security-policy': /frame-ancestors 'none'/ })
  t.equal(linkOf(page, 'Log in instead'), AUTHORIZE)
  const done = await send(service, page, { username: 'mina', email: '', password: PASSWORD })
  t.equal(done.statusCode, 200)
  t.match(done.body, /Your account is ready/)
  t.equal(linkOf(done, 'Continue'), AUTHORIZE)
  const cookie = String(done.headers['set-cookie']).split(';')[0] ?? ''
  const onwards = await open(service, `https://x${AUTHORIZE}`, { cookie })
  t.match([onwards.statusCode, onwards.headers.location], [303, /^https:\/\/shop\.example\/callback\?code=/])
  const { id } = await service.logIn('mina')
  t.match(await rowOf(service, id), { username: 'mina', email: null, locale: 'en' })
  const asked = await open(service, `https://x${address}&prompt=login&max_age=0`)
  t.equal(linkOf(await send(service, asked, { username: 'joon', password: PASSWORD }), 'Continue'), AUTHORIZE)

  const again = await send(service, page, { username: 'MINA', email: '"><b>@x', password: PASSWORD })
  t.equal(again.statusCode, 400)
  t.match(again.body, /role="alert"/)
  t.match(again.body, /value="&#34;&#62;&#60;b&#62;@x"/, 'what was typed is shown again, escaped')
  t.notMatch(again.body, PASSWORD)
  const wrong: Record<string, string>[] = [
    { username: 'mina' },
    { username: '', email: '' },
    { username: 'hana', password: 'password' },
    { username: 'j', email: 'no address' },
  ]
  for (const fields of wrong) {
    const { statusCode, body } = await send(service, page, { password: PASSWORD, ...fields })
    t.equal(statusCode, 400, JSON.stringify(fields))
    t.match(body, /<h1>Create an account<\/h1>/)
  }
  for (const headers of FOREIGN) {
    const fields = { username: 'hana', password: PASSWORD }
    t.equal((await submit(service, '/account/register', fields, headers)).statusCode, 403, JSON.stringify(headers))
  }
  t.equal(await service.app.database.db.$count(service.app.database.tables.users), 2)
})

t.test('the pages on the way to an application are in the language that it asks for', async (t) => {
  const { service } = await start(t, { EMAIL_LOGIN: 'on' })
  const logIn = await open(service, `https://x${AUTHORIZE}&ui_locales=fr+ko-KR+en`)
  for (const words of ['계정 만들기', '비밀번호를 잊으셨나요\\?', '코드 메일 받기']) {
    const page = await open(service, `https://x${linkOf(logIn, words)}`)
    t.match(page, {
      statusCode: 200,
      headers: { 'content-language': 'ko' },
      body: /<html lang="ko">.*<label[^>]*>[가-힣]/s,
    })
  }
  const page = await open(service, `https://x${linkOf(logIn, '계정 만들기')}`)
  t.match((await send(service, page, { username: 'mina', password: 'short' })).body, '사용할 수 없는 비밀번호')
  t.match(
    (await send(service, page, { username: 'mina', email: '', password: PASSWORD })).body,
    '계정이 준비되었습니다',
  )
  t.match(await rowOf(service, (await service.logIn('mina')).id), { locale: 'ko' })
  const hop = await send(service, logIn, { username: 'mina', password: PASSWORD })
  t.match(hop, { headers: { refresh: String, 'content-language': 'ko' }, body: /계속하기/ })
  const refused = await open(service, 'https://x/authorize?client_id=nobody&ui_locales=ko')
  t.match(refused, { statusCode: 400, body: /<html lang="ko">.*요청한 애플리케이션을 찾을 수 없습니다/s })
  const twice = await open(service, 'https://x/authorize?client_id=nobody&ui_locales=ko&ui_locales=ko')
  t.match(twice, { statusCode: 400, headers: { 'content-language': 'en' } })
})

t.test('where addresses must be confirmed, registration does not reveal whether an address is known', async (t) => {
  const { service, server } = await start(t, { EMAIL_VERIFICATION: 'required' })
  const page = await open(service, 'https://x/account/register')
  t.match(page.body, /<input id="email"[^>]* required/)
  const first = await send(service, page, { email: 'mina@example.org', username: '', password: PASSWORD })
  await service.app.database.db.update(service.app.database.tables.users).set({
    ...{ email: 'mina@example.org', emailKey: 'mina@example.org', emailVerifiedAt: 1, unprovenUntil: null },
    ...{ pendingEmail: null, pendingEmailKey: null },
  })
  const known = await send(service, page, { email: 'mina@example.org', username: '', password: PASSWORD })
  const unknown = await send(service, page, { email: 'joon@example.org', username: '', password: PASSWORD })
  t.match(first.body, /Look at your mail/)
  t.same(
    [first, known, unknown].map(({ headers }) => headers['set-cookie']),
    [undefined, undefined, undefined],
  )
  t.same([known.statusCode, known.body], [unknown.statusCode, unknown.body])
  t.same([known.statusCode, known.body], [first.statusCode, first.body])
  await deliver(service)
  t.match(
    server.received.filter(({ to }) => to[0] === 'mina@example.org').map(({ mail }) => mail.subject),
    [/already/i],
  )
  t.equal((await send(service, page, { username: 'sora', email: '', password: PASSWORD })).statusCode, 400)
})

t.test('requesting a new password mails a link, and does not reveal whether the address is known', async (t) => {
  const { service, server } = await start(t)
  await register(service, 'mina', 'mina@example.org')
  const address = linkOf(await open(service, `https://x${AUTHORIZE}`), 'Forgot your password\\?')
  const page = await open(service, `https://x${address}`)
  t.equal(linkOf(page, 'Back to the log-in'), AUTHORIZE)
  const [known, unknown] = [
    await send(service, page, { email: 'MINA@example.org' }),
    await send(service, page, { email: 'nobody@example.org' }),
  ]
  t.same([known.statusCode, known.body], [unknown.statusCode, unknown.body])
  t.match(known.body, /If an account has this address/)
  t.equal((await send(service, page, { email: 'no address' })).statusCode, 400)
  for (const headers of FOREIGN) {
    const { statusCode } = await submit(service, '/account/forgot', { email: 'mina@example.org' }, headers)
    t.equal(statusCode, 403, JSON.stringify(headers))
  }
  await deliver(service)
  t.same(
    server.received.map(({ to, mail }) => [to[0], mail.text?.includes('/account/reset?token=')]),
    [['mina@example.org', true]],
  )
})

t.test(
  'a mailed code logs in, on the way to an application or to a page, and the second factor is still required',
  async (t) => {
    const { service, server } = await start(t, { EMAIL_LOGIN: 'on' })
    const mina = await register(service, 'mina', 'mina@example.org')
    const { db, tables } = service.app.database
    await db.update(tables.users).set({ emailVerifiedAt: 1 }).where(eq(tables.users.id, mina))
    const address = linkOf(await open(service, `https://x${AUTHORIZE}`), 'Mail me a code')
    t.equal(address, AUTHORIZE.replace('/authorize', '/account/email-code'))
    const page = await open(service, `https://x${address}`)
    t.equal(linkOf(page, 'Back to the log-in'), AUTHORIZE)
    for (const unknown of ['to=home', 'again=yes', 'lost=yes']) {
      t.equal((await open(service, `https://x${address}&${unknown}`)).statusCode, 200, `${unknown} is ignored`)
      t.equal((await open(service, `https://x/account/email-code?${unknown}`)).statusCode, 400)
    }
    const known = await send(service, page, { email: 'mina@example.org' })
    const unknown = await send(service, page, { email: 'nina@example.org' })
    t.equal(known.statusCode, 200)
    t.same([known.statusCode, known.body], [unknown.statusCode, unknown.body.replaceAll('nina', 'mina')])
    t.equal((await send(service, page, { email: 'no address' })).statusCode, 400)
    for (const headers of FOREIGN) {
      const refused = await submit(service, '/account/email-code', { email: 'mina@example.org' }, headers)
      t.equal(refused.statusCode, 403, JSON.stringify(headers))
    }
    await deliver(service)
    t.same(
      server.received.map(({ to }) => to[0]),
      ['mina@example.org'],
    )

    const { code } = newestGifts(server)
    const typed = (code: string) => ({ email: 'mina@example.org', code })
    for (const fields of [typed('0000-0000'), { ...typed(code), email: 'nina@example.org' }]) {
      const wrong = await send(service, known, fields)
      t.match([wrong.statusCode, wrong.headers['set-cookie']], [400, undefined])
      t.match(wrong.body, /role="alert".*<input type="hidden" name="email"/s, 'the code is asked for again')
      t.equal(linkOf(wrong, 'Mail another code'), address)
    }
    const [form] = formsOf(known.body)
    for (const headers of FOREIGN)
      t.equal((await submit(service, `${form?.action}`, typed(code), headers)).statusCode, 403)
    const done = await send(service, known, typed(code.toLowerCase()))
    t.match(done.headers['set-cookie'], /^__Host-latchkey=/)
    t.match(done.body, /shop\.example\/callback\?code=/)
    t.equal((await send(service, known, typed(code))).statusCode, 400, 'a code works once')

    await addTotp(await service.logIn('mina'))
    const there = await open(
      service,
      `https://x${linkOf(await open(service, 'https://x/account/login?to=/account/password'), 'Mail me a code')}`,
    )
    const sent = await send(service, there, { email: 'mina@example.org' })
    await deliver(service)
    const half = await send(service, sent, typed(newestGifts(server).code))
    t.match([half.statusCode, half.headers['set-cookie']], [200, undefined])
    t.match(half.body, /One more step/)
    const [second] = formsOf(half.body)
    t.match(second, { action: /^\/account\/login\?to=%2Faccount%2Fpassword$/, fields: { ticket: /./ } })

    // An unexpected field must neither select another form nor cause a 500.
    for (const stray of [{ email: 'mina@example.org' }, { email: 'mina@example.org', code: 'x'.repeat(5_000) }]) {
      const mixed = await submit(service, '/account/login', { username: 'mina', password: 'wrong', ...stray })
      t.equal(mixed.statusCode, 400)
      t.match(mixed.body, /The name or the password is wrong/)
    }
  },
)

t.test('registration, reset and mailed codes return 403 while they are off, and no page links to them', async (t) => {
  const { service } = await start(t, { REGISTRATION: 'closed', MAIL_URL: 'off' })
  const logIn = await open(service, `https://x${AUTHORIZE}`)
  t.equal(logIn.statusCode, 200)
  t.notMatch(logIn.body, /account\/(register|forgot|email-code)/)
  for (const [page, fields] of [
    ['register', { username: 'mina', password: PASSWORD }],
    ['forgot', { email: 'mina@example.org' }],
    ['email-code', { email: 'mina@example.org' }],
  ] as const) {
    t.equal((await open(service, `https://x/account/${page}`)).statusCode, 403, page)
    t.equal((await submit(service, `/account/${page}`, fields)).statusCode, 403, page)
  }
  const login = await submit(service, '/account/login', { email: 'mina@example.org', code: '0000-0000' })
  t.match([login.statusCode, login.body], [403, /No codes are mailed here/])
  t.equal(await service.app.database.db.$count(service.app.database.tables.users), 0)
})

t.test('no query makes a page link to another site', async (t) => {
  const { service } = await start(t, { EMAIL_LOGIN: 'on' })
  const queries = [
    '?client_id=x&return=https://evil.example',
    '?client_id=x&redirect_uri=//evil.example',
    '?return=//evil.example',
    '?client_id=x#@evil.example',
    '?client_id=%22%3E%3Cscript%3Ealert(1)%3C/script%3E',
    '?client_id=x&client_id=y',
    '?https://evil.example/?client_id=x',
  ]
  for (const query of queries) {
    for (const page of ['register', 'forgot', 'email-code']) {
      const { statusCode, body } = await service.app.inject(`/account/${page}${query}`)
      t.equal(statusCode, 200)
      t.notMatch(body, /<script>/)
      const addresses = [...body.matchAll(/(?:href|action)="([^"]*)"/g)].map(([, address = '']) => address)
      for (const address of addresses) t.match(address, /^\/(authorize\?|account\/)/, `${page}${query}`)
    }
  }
})

async function start(t: Test, settings = {}) {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, { ...WITH_PAGES, ...settings })
  const shop = { client_name: 'The Shop', redirect_uris: ['https://shop.example/callback'], first_party: true }
  await service.app.clients.create('shop', withDefaults({ ...shop, token_endpoint_auth_method: 'none' }), { id: null })
  return { service, server }
}

function linkOf({ body }: Response, words: string): string {
  const [, address = ''] = new RegExp(`<a [^>]*href="([^"]+)">${words}</a>`).exec(body) ?? []
  return address.replaceAll('&#38;', '&')
}

function send(service: Service, page: Response, fields: Record<string, string>): Promise<Response> {
  const [form] = formsOf(page.body)
  return submit(service, form?.action.replaceAll('&#38;', '&') ?? '', fields)
}

async function rowOf({ app }: Service, id: number) {
  const { users } = app.database.tables
  const [row] = await app.database.db.select().from(users).where(eq(users.id, id))
  return row
}
