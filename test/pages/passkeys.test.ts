// On SQLite alone: the pages. test/factors tests passkeys on both databases.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import { desc, eq } from 'drizzle-orm'
import type { CDPSession, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { withDefaults } from '../../src/clients/registration.js'
import { packageRoot } from '../../src/package.js'
import { addTotp, ticketOf } from '../factors/people.js'
import { addPasskey, question, SoftwarePasskey } from '../factors/software-passkey.js'
import { PASSWORD, type Service, startService } from '../helper.js'
import { formsOf, submit } from '../mail/links.js'
import { withoutBrowser as skip, startBrowser } from '../support/browser.js'
import { startListening } from '../support/listening.js'
import { DEAD, sessionStatus } from '../support/people.js'
import { freePort } from '../support/postgres-server.js'
import { browse } from './browsing.js'
import { AUTHORIZE, SHOP } from './gallery.js'

const LOG_IN = '/account/login'
const FACTORS = '/account/second-factor'
const ON_PAGES = { PUBLIC_URL: 'https://latchkey.test', PASSKEY_ORIGINS: 'http://latchkey.test' }
const DEVICE = {
  ...({ protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true } as const),
  isUserVerified: true,
}

t.setTimeout(240_000)

t.test('users add a passkey on a page and log in with it, in a real browser', { skip }, async (t) => {
  const port = String(await freePort())
  const origin = `http://localhost:${port}`
  const { service } = await startListening(t, { PORT: port, PUBLIC_URL: origin })
  const person = await service.signUp('mina')
  await service.app.clients.create('shop', withDefaults(SHOP), { id: null })
  const { page, device, faults } = await openPage(t)
  const status = page.locator('[role=status]')
  const factors = () => service.app.factors.list(person.id)

  await page.goto(`${origin}${LOG_IN}?to=${FACTORS}`)
  await typePassword(page)
  await page.fill('[name=passkey-name]', 'Laptop')
  await click(page, 'Make a passkey')
  t.equal((await page.locator('.secret').innerText()).trim().split('\n').length, 10, 'ten recovery codes are shown')
  t.equal(await sessionStatus(person), DEAD, 'a session without the second factor is ended')
  t.match(await factors(), [{ kind: 'passkey', name: 'Laptop', lastUsedAt: null }])

  await page.goto(`${origin}${FACTORS}`)
  t.match(await page.locator('.list').innerText(), /Laptop\s+Passkey/)
  t.same(await violations(page), [])
  await page.getByRole('button', { name: 'Make a passkey' }).click()
  await status.getByText('This device has a passkey of your account already.').waitFor()
  t.equal((await factors()).length, 1)

  await logOut(page, origin, device)
  await page.goto(`${origin}${LOG_IN}`)
  t.equal(await page.getAttribute('#username', 'autocomplete'), 'username webauthn')
  await show(page, device, 'Log in with a passkey')
  t.equal(new URL(page.url()).pathname, '/account')
  t.equal(await amrOf(service), 'hwk user mfa', 'the passkey logs in without a user name')

  await logOut(page, origin, device)
  await page.goto(`${origin}${LOG_IN}`)
  await typePassword(page)
  t.ok(await page.isVisible('[name=code]'))
  await show(page, device, 'Use a passkey')
  t.equal(new URL(page.url()).pathname, '/account')
  t.equal(await amrOf(service), 'pwd hwk user mfa', 'the passkey is the second factor')

  const { db, tables } = service.app.database
  await db.delete(tables.recoveryCodes)
  await logOut(page, origin, device)
  await page.goto(`${origin}${LOG_IN}`)
  await typePassword(page)
  t.equal(await page.locator('[name=code]').count(), 0, 'no code is asked for')
  t.equal(await page.locator('.note').isVisible(), false)
  t.same(await violations(page), [])
  await device.isVerifying(false)
  await device.isThere(true)
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await status.getByText('No passkey was shown').waitFor()
  t.equal((await page.context().cookies()).length, 0, 'a user whom the device has not verified is not logged in')

  await device.isVerifying(true)
  await page.route('https://shop.example/**', (route) => route.fulfill({ body: 'shop' }))
  await page.goto(`${origin}${AUTHORIZE}`)
  await page.waitForURL('https://shop.example/**')
  t.match(
    new URL(page.url()).searchParams.get('code'),
    /./,
    'a passkey that the browser suggests by itself logs in too',
  )
  t.equal(await amrOf(service), 'hwk user mfa')

  await db
    .update(tables.sessions)
    .set({ authTime: Date.now() - 301_000 })
    .where(eq(tables.sessions.kind, 'browser'))
  await device.isThere(false)
  await page.goto(`${origin}${FACTORS}`)
  t.equal(new URL(page.url()).pathname, LOG_IN, 'after an old log-in, factors cannot be changed')
  await show(page, device, 'Log in with a passkey')
  t.equal(new URL(page.url()).pathname, FACTORS)
  await page.locator('summary', { hasText: /Remove|제거/ }).click()
  await page.check('[name=sure]')
  await click(page, 'Remove')
  t.same(await factors(), [])

  await logOut(page, origin, device)
  await page.goto(`${origin}${LOG_IN}`)
  await show(page, device, 'Log in with a passkey')
  t.match(await page.locator('[role=alert]').innerText(), /not known here/, 'a passkey that was removed')
  t.same(faults, [])
})

t.test('an invalid passkey in a form is rejected on the page', async (t) => {
  const service = await startService(t, ON_PAGES)
  const [mina, joon, sora] = [await service.signUp('mina'), await service.signUp('joon'), await service.signUp('sora')]
  const browser = await browse(service, 'sora')
  const [hers, his] = [await addPasskey(mina), await addPasskey(joon)]
  const answer = async (passkey: SoftwarePasskey) => JSON.stringify(passkey.get(await question(service)))
  const used = await answer(hers.passkey)
  t.equal((await submit(service, LOG_IN, { passkey: used })).statusCode, 303)
  const { response, ...rest } = JSON.parse(await answer(hers.passkey))
  const hostile = [
    ...['x', '{', 'null', '[]', '"a"', '1', '{}', '{"id":"\\u0000"}', '{"__proto__":{"id":"a"}}', '['.repeat(15_000)],
    ...[rest, { ...rest, response: null }, { ...rest, response: { ...response, signature: 1 } }].map(toText),
    ...[
      { ...rest, id: '\ud800', response },
      { ...rest, response: { ...response, clientDataJSON: 'bnVsbA' } },
    ].map(toText),
    ...[await answer(new SoftwarePasskey()), used],
  ]
  for (const passkey of hostile) {
    const what = passkey.slice(0, 60)
    const asked = await submit(service, LOG_IN, { username: 'mina', password: PASSWORD })
    const { ticket = '' } = formsOf(asked.body)[0]?.fields ?? {}
    const answers = [
      await submit(service, LOG_IN, { passkey, username: 'mina', password: PASSWORD }),
      await submit(service, LOG_IN, { passkey, ticket, code: '' }),
      await browser.send(FACTORS, { deed: 'add-passkey', passkey }),
    ]
    for (const { statusCode, headers, body } of answers) {
      t.equal(statusCode, 400, what)
      t.match(body, /role="alert"[^<]+The passkey is not known here/)
      t.equal(headers['set-cookie'], undefined)
      t.notMatch(body, PASSWORD)
    }
    t.match(answers[1]?.body, 'name="ticket"', 'the second step can be tried again')
  }
  const asked = await submit(service, LOG_IN, { username: 'mina', password: PASSWORD })
  const { ticket = '' } = formsOf(asked.body)[0]?.fields ?? {}
  const theirs = await submit(service, LOG_IN, { ticket, passkey: await answer(his.passkey) })
  t.match([theirs.statusCode, theirs.headers['set-cookie']], [400, undefined], "another account's passkey")
  for (const url of [LOG_IN, FACTORS]) {
    const foreign = { 'sec-fetch-site': 'cross-site', cookie: browser.cookie }
    const fields = { deed: 'add-passkey', passkey: await answer(hers.passkey) }
    t.equal((await submit(service, url, fields, foreign)).statusCode, 403, 'from another site')
    t.equal((await browser.send(url, { ...fields, passkey: 'x'.repeat(70_000) })).statusCode, 413)
  }
  const nul = await submit(service, LOG_IN, { passkey: toText({ ...rest, id: '\0', response }) })
  t.match([nul.statusCode, nul.headers['set-cookie']], [400, undefined])
  t.equal((await service.app.factors.list(mina.id)).length, 1)
  t.equal((await service.app.factors.list(sora.id)).length, 0)
})

t.test('without passkeys the pages do not mention them; with passkeys the button needs the script', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'http://127.0.0.1:3000' })
  await service.signUp('mina')
  const page = await service.app.inject(LOG_IN)
  t.match(page.body, 'autocomplete="username"')
  const mina = await browse(service, 'mina')
  for (const { body } of [page, await mina.open(FACTORS)]) t.notMatch(body, /passkey/i)
  t.equal(
    (await submit(service, LOG_IN, { passkey: toText(new SoftwarePasskey().get({ challenge: 'x' })) })).statusCode,
    409,
  )

  const other = await startService(t, ON_PAGES)
  const { body } = await other.app.inject(LOG_IN)
  t.match(body, /<script src="\/account\/script\.js\?v=[\w-]{12}" defer><\/script>/)
  t.match(body, /<div class="passkeys" data-passkeys hidden><button/)
  const [, options = ''] = /data-options="([^"]+)"/.exec(body) ?? []
  t.match(JSON.parse(options.replaceAll('&#34;', '"')), { rpId: 'latchkey.test', userVerification: 'required' })
  t.equal(
    await other.app.database.db.$count(other.app.database.tables.usedChallenges),
    0,
    'showing a page writes no row',
  )
})

t.test(
  'the code samples of docs/second-factor.md work in a custom page, with one-time codes and with passkeys',
  { skip },
  async (t) => {
    const port = String(await freePort())
    const origin = `http://localhost:${port}`
    const { service } = await startListening(t, { PORT: port, PUBLIC_URL: origin })
    const text = await readFile(join(packageRoot, 'docs/second-factor.md'), 'utf8')
    const [codes = '', passkeys = ''] = [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code)
    const { page, faults } = await openPage(t)
    const phone = await openPage(t)
    for (const each of [page, phone.page]) await each.goto(`${origin}/account/register`)
    const run = (code: string, call: string, value: object, on = page) =>
      on.evaluate(`(async (its) => {\n${code}\nreturn ${call}\n})(${JSON.stringify(value)})`) as Promise<object>

    const joon = await addTotp(await service.signUp('joon'))
    // A wrong code first: the page asks again.
    const typed = [joon.wrongCode(), joon.code()]
    const account = { username: 'joon', password: PASSWORD }
    const logIn = 'logIn(its.username, its.password, () => its.typed.shift())'
    t.match(await run(codes, logIn, { ...account, typed }), { user: { username: 'joon' }, access_token: /./ })
    const refused = run(codes, `${logIn}.then(() => ({}), ({ code }) => ({ code }))`, {
      ...account,
      password: 'wrong',
      typed: [],
    })
    t.match(await refused, { code: 'invalid_credentials' })

    const mina = await service.signUp('mina')
    t.match(await run(passkeys, "addPasskey(its.token, 'laptop')", { token: mina.token }), { recovery_codes: Array })
    t.match(await run(passkeys, 'logInWithPasskey()', {}), { user: { id: mina.id } })
    const complete = await run(passkeys, 'complete(its.ticket)', { ticket: await ticketOf(service, 'mina') })
    t.match(complete, { user: { id: mina.id } })

    const { access_token: token } = complete as { access_token: string }
    const own = { authorization: `Bearer ${token}` }
    const second = await run(passkeys, "addPasskey(its.token, 'phone')", { token }, phone.page)
    t.same(
      (second as { recovery_codes: string[] }).recovery_codes,
      [],
      'the recovery codes of the first factor stay valid',
    )
    const onPhone = () => run(passkeys, 'logInWithPasskey()', {}, phone.page)
    t.match(await onPhone(), { user: { id: mina.id } }, 'a second device')
    const factors: { id: string; name: string }[] = (await service.get('/v1/me/factors', own)).json().items
    t.same(factors.map(({ name }) => name).sort(), ['laptop', 'phone'])
    const laptop = factors.find(({ name }) => name === 'laptop')
    const removed = await service.request({ method: 'DELETE', url: `/v1/me/factors/${laptop?.id}`, headers: own })
    t.equal(removed.statusCode, 204)
    await t.rejects(run(passkeys, 'logInWithPasskey()', {}), 'a passkey that was removed is rejected')
    t.match(await onPhone(), { user: { id: mina.id } }, 'the other passkey still works')
    t.same([...faults, ...phone.faults], [])
  },
)

/** The authenticator of a browser, as its user operates it. */
function deviceOf(cdp: CDPSession, authenticatorId: string) {
  return {
    /** Whether the user touches the authenticator whenever it asks. */
    isThere: (enabled: boolean) => cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled }),
    /** Whether the authenticator verifies the user. */
    isVerifying: (isUserVerified: boolean) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
  }
}

type Device = ReturnType<typeof deviceOf>

/** A page of a browser with a virtual authenticator. */
async function openPage(t: Test) {
  const browser = await startBrowser(t)
  const page = await browser.newPage({ locale: 'en-US' })
  page.setDefaultTimeout(30_000)
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('request', (request) => {
    if (!/^(https:\/\/shop\.example|http:\/\/localhost:\d+)\//.test(request.url())) faults.push(request.url())
  })
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable', { enableUI: false })
  const options = { ...DEVICE, automaticPresenceSimulation: true }
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options })
  return { page, faults, device: deviceOf(cdp, authenticatorId) }
}

/** Clicks a button that leads to another page. */
async function click(page: Page, name: string): Promise<void> {
  await Promise.all([page.waitForNavigation(), page.getByRole('button', { name }).click()])
}

/** Clicks twice: without a touch, the first request fails, and then the page no longer asks by itself. */
async function show(page: Page, device: Device, name: string): Promise<void> {
  await page.getByRole('button', { name }).click()
  await device.isThere(true)
  await click(page, name)
}

async function typePassword(page: Page): Promise<void> {
  await page.fill('[name=username]', 'mina')
  await page.fill('[name=password]', PASSWORD)
  await Promise.all([page.waitForNavigation(), page.locator('main form button').first().click()])
}

/** Turns off the touches first: the log-in page asks for a passkey by itself. */
async function logOut(page: Page, origin: string, device: Device): Promise<void> {
  await device.isThere(false)
  await page.goto(`${origin}/account`)
  await click(page, 'Log out')
}

/** The accessibility faults of a page. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** The authentication methods of the newest browser session. */
async function amrOf({ app }: Service): Promise<string | null | undefined> {
  const { db, tables } = app.database
  const { sessions } = tables
  const ofBrowser = eq(sessions.kind, 'browser')
  const [newest] = await db.select().from(sessions).where(ofBrowser).orderBy(desc(sessions.createdAt)).limit(1)
  return newest?.amr
}

function toText(value: unknown): string {
  return JSON.stringify(value)
}
