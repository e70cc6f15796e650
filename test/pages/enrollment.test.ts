import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { withDefaults } from '../../src/clients/registration.js'
import type { Config } from '../../src/config/config.js'
import { Authenticator } from '../factors/people.js'
import { SoftwarePasskey } from '../factors/software-passkey.js'
import { PASSWORD, type Person, type Service } from '../helper.js'
import { formsOf, newestGifts, submit, WITH_PAGES } from '../mail/links.js'
import { deliver, register, startMailing } from '../mail/people.js'
import { startSmtp } from '../mail/servers.js'
import { latchkey } from '../support/child.js'
import { signUpAdmin } from '../support/people.js'
import { settingsOf, startSecond } from '../support/replica.js'
import { Browser, browse } from './browsing.js'
import { AUTHORIZE, SHOP } from './gallery.js'

t.setTimeout(240_000)

const LOG_IN = '/account/login?to=%2Faccount%2Fsessions'
const FORM = { username: 'mina', password: PASSWORD }

t.test('a log-in that requires MFA adds an app, shows recovery codes and goes on to its destination', async (t) => {
  const { before, after } = await start(t)
  await before.signUp('mina')
  const old = await browse(before, 'mina')
  t.equal(
    (await new Browser(after, old.cookie).open('/account')).statusCode,
    303,
    'a user who was logged in has to log in again',
  )
  const page = await submit(after, LOG_IN, FORM)
  t.equal(page.statusCode, 200)
  t.notOk(page.headers['set-cookie'])
  t.match(page.body, /A second factor is needed/)
  const earlier = await press(after, page, 'enroll-app')
  const scan = await press(after, page, 'enroll-app')
  const replaced = await press(after, earlier, 'complete-enrollment', { code: phoneOf(earlier).code() })
  t.match(replaced, { statusCode: 400, body: /out of date.*enroll-app/s }, 'another tab has replaced the secret')
  const phone = phoneOf(scan)
  const wrong = await press(after, scan, 'complete-enrollment', { code: phone.wrongCode() })
  t.equal(wrong.statusCode, 400)
  t.notOk(wrong.headers['set-cookie'])
  t.equal(uriOf(wrong), uriOf(scan), 'the same secret is shown again')
  const done = await press(after, wrong, 'complete-enrollment', { code: phone.code() })
  t.match(done.body, /[0-9A-Z]{5}-[0-9A-Z]{5}/)
  t.match(done.body, /href="\/account\/sessions">Continue</)
  t.match(done.headers, { 'cache-control': 'no-store' })
  const browser = new Browser(after, String(done.headers['set-cookie']).split(';')[0] ?? '')
  t.equal((await browser.open('/account/sessions')).statusCode, 200)
  t.equal(
    (await press(after, scan, 'complete-enrollment', { code: phone.code(1) })).statusCode,
    400,
    'an enrollment works once',
  )

  const list = await browser.open('/account/second-factor')
  const remove = formsOf(list.body).find(({ fields }) => fields.deed === 'remove')
  const refused = await browser.send(remove?.action ?? '', { ...remove?.fields, sure: 'yes' })
  t.match([refused.statusCode, refused.body], [400, /Add another one before you remove this one/])
})

t.test('the required factor may be a passkey, also on the way to an application, and in Korean', async (t) => {
  const { before, after } = await start(t)
  await before.signUp('mina')
  await before.app.clients.create('shop', withDefaults(SHOP), { id: null })
  await after.app.knownClients.lookUp('shop')
  const korean = { 'sec-fetch-site': 'same-origin', 'accept-language': 'ko' }
  const page = await submit(after, AUTHORIZE, FORM, korean)
  t.match(page.body, /2단계 인증이 필요합니다/)
  const passkey = new SoftwarePasskey()
  const options = /data-options="([^"]*)"/.exec(page.body)?.[1]?.replaceAll('&#34;', '"') ?? ''
  const made = JSON.stringify(passkey.create(JSON.parse(options), { origin: WITH_PAGES.PUBLIC_URL }))
  for (const passkey of ['{}', 'no JSON']) {
    const { statusCode, headers } = await press(after, page, 'enroll-passkey', { passkey, 'passkey-name': '' }, korean)
    t.match([statusCode, headers['set-cookie']], [400, undefined])
  }
  const done = await press(after, page, 'enroll-passkey', { passkey: made, 'passkey-name': 'phone' }, korean)
  t.match(done.body, /복구 코드/)
  const onwards = /class="button" href="([^"]*)"/.exec(done.body)?.[1]?.replaceAll('&#38;', '&') ?? ''
  const browser = new Browser(after, String(done.headers['set-cookie']).split(';')[0] ?? '')
  const back = await browser.open(onwards)
  t.match([back.statusCode, back.headers.location], [303, /^https:\/\/shop\.example\/callback\?code=/])
})

t.test('a confirmed address must first be proved with a mailed code; a new account skips this step', async (t) => {
  const { before, after, server } = await start(t)
  await register(before, 'mina', 'mina@example.org')
  const { db, tables } = before.app.database
  await db.update(tables.users).set({ emailVerifiedAt: 1 })
  const page = await submit(after, LOG_IN, FORM)
  t.match(page.body, /Look at your mail/)
  t.notMatch(page.body, 'enroll-app')
  const ticket = formsOf(page.body)[0]?.fields.ticket ?? ''
  t.not(
    (await submit(after, LOG_IN, { deed: 'enroll-app', ticket })).statusCode,
    200,
    'the mailed code cannot be skipped',
  )
  const wrong = await press(after, page, 'confirm-enrollment', { code: '0000-0000' })
  t.match([wrong.statusCode, wrong.body], [400, /Look at your mail/])
  await deliver(after)
  const { code } = newestGifts(server)
  t.match((await press(after, wrong, 'confirm-enrollment', { code })).body, 'enroll-app')

  const typed = { username: 'joon', email: '', password: PASSWORD }
  const registered = await submit(after, AUTHORIZE.replace('/authorize', '/account/register'), typed)
  t.match([registered.statusCode, registered.headers['set-cookie']], [200, undefined])
  t.equal(formsOf(registered.body)[0]?.action.replaceAll('&#38;', '&'), AUTHORIZE)
})

t.test(
  'an admin without a confirmed address can log in only with the enrollment link of the command line',
  async (t) => {
    const { before, after } = await start(t, { MFA: 'required_for_admins' })
    await signUpAdmin(before, 'boss')
    const boss = { username: 'boss', password: PASSWORD }
    const refused = await submit(after, LOG_IN, boss)
    t.match([refused.statusCode, refused.body], [403, /latchkey users enroll-link/])
    const wrong = await submit(after, `${LOG_IN}&enroll=lkt_nonsense`, boss)
    t.match([wrong.statusCode, wrong.body], [400, /The link or the code is not valid/])
    const child = await latchkey(t, ['users', 'enroll-link', 'boss'], { settings: settingsOf(after) })
    t.equal(await child.exit, 0, child.stderr)
    const [link = '', use] = child.stdout.split('\n')
    t.match(link, `${WITH_PAGES.PUBLIC_URL}/account/login?again=1&enroll=lkt_`)
    t.match(use, /^lets boss \(id \d+\) add a second factor/)
    const { pathname, search } = new URL(link)
    const page = await after.app.inject({ url: pathname + search })
    const [form] = formsOf(page.body)
    const action = form?.action.replaceAll('&#38;', '&') ?? ''
    t.match((await submit(after, action, { ...boss, password: 'wrong' })).body, /role="alert"/)
    const methods = await submit(after, action, boss)
    t.match(methods.body, 'enroll-app')
    const scan = await press(after, methods, 'enroll-app')
    const done = await press(after, scan, 'complete-enrollment', { code: phoneOf(scan).code() })
    t.match(done.headers['set-cookie'], /^__Host-latchkey=/)
  },
)

t.test('enrollment rejects other forms, invalid tickets and a secret that was not shown', async (t) => {
  const { before, after } = await start(t)
  await before.signUp('mina')
  const page = await submit(after, LOG_IN, FORM)
  const ticket = formsOf(page.body)[0]?.fields.ticket ?? ''
  for (const fields of [
    { deed: 'complete-enrollment', ticket, code: '000000', uri: 'javascript:alert(1)' },
    { deed: 'complete-enrollment', ticket, code: '000000' },
    { deed: 'enroll', ticket, code: '000000' },
    { deed: 'enroll-app' },
    { ...FORM, deed: 'enroll-app' },
    { deed: 'enroll-app', ticket: 'nonsense' },
    { ticket, code: '000000' },
  ]) {
    const { statusCode, body, headers } = await submit(after, LOG_IN, fields as Record<string, string>)
    t.match([statusCode, headers['set-cookie']], [400, undefined], JSON.stringify(fields))
    t.notMatch(body, 'javascript')
  }
  const foreign = await submit(after, LOG_IN, { deed: 'enroll-app', ticket }, { 'sec-fetch-site': 'cross-site' })
  t.equal(foreign.statusCode, 403)
})

/** Two services on one database: one from before factors were required, and one that requires them. */
async function start(t: Test, settings: Partial<Config> = { MFA: 'required' }) {
  const server = await startSmtp(t)
  const before = await startMailing(t, server, WITH_PAGES)
  return { server, before, after: await startSecond(t, before, settings) }
}

/** Submits the form of a page with this `deed`. */
function press(
  service: Service,
  page: Response,
  deed: string,
  typed: Record<string, string> = {},
  headers?: Record<string, string>,
): Promise<Response> {
  const form = formsOf(page.body).find(({ fields }) => fields.deed === deed)
  if (form === undefined) throw new Error(`no form ${deed}: ${page.statusCode} ${page.body}`)
  const fields = Object.fromEntries(Object.entries(form.fields).map(([name, value]) => [name, plain(value)]))
  return submit(service, plain(form.action), { ...fields, ...typed }, headers)
}

/** The text of an HTML attribute. */
function plain(text: string): string {
  return text.replaceAll('&#38;', '&')
}

function uriOf({ body }: Response): string {
  return /name="uri" value="([^"]*)"/.exec(body)?.[1]?.replaceAll('&#38;', '&') ?? ''
}

function phoneOf(page: Response): Authenticator {
  return new Authenticator({} as Person, '', uriOf(page), [])
}
