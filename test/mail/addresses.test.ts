import { eq } from 'drizzle-orm'
import t from 'tap'
import { PASSWORD, Person, type Service, startService } from '../helper.js'
import { browse } from '../pages/browsing.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'
import { hearStatements } from '../support/statements.js'
import { formsOf, giftsOf, newest, newestGifts, open, scan, submit, WITH_PAGES } from './links.js'
import { deliver, startMailing } from './people.js'
import { type MailServer, startSmtp } from './servers.js'

t.setTimeout(240_000)

const ADDRESS = 'mina@example.org'
const NEXT = 'four louder lanterns'
const REFUSED = { status: 400, code: 'invalid_one_time_token' }
const DAY_MS = 86_400_000

t.test(
  'an address is confirmed by its logged-in account with the mailed token or code; a mail scanner confirms nothing',
  async (t) => {
    const { server, service } = await start(t, 'optional')
    const mina = await register(service, 'mina')
    const phone = await service.logIn('mina')
    const joon = await service.signUp('joon')
    t.match((await mina.get('/v1/me')).json(), { email: ADDRESS, email_verified: false })
    const { link, token, code } = await gifts(service, server)
    await scan(service, link)
    const alone = await confirm(service, { token })
    t.match(alone.json(), { status: 401, code: 'missing_token' })
    t.match((await confirm(joon, { token })).json(), REFUSED, 'logged in as another user')
    t.match((await confirm(service, { token, password: NEXT })).json(), { code: 'invalid_credentials' })
    t.match((await confirm(service, { email: 'x@example.org', code, password: PASSWORD })).json(), REFUSED)
    t.match((await mina.get('/v1/me')).json(), { email_verified: false })
    t.equal((await confirm(mina, { email: ADDRESS, code })).statusCode, 204)
    t.match((await mina.get('/v1/me')).json(), { email: ADDRESS, email_verified: true })
    t.equal(await sessionStatus(mina), ALIVE, 'the session that confirmed the address stays alive')
    t.equal(await sessionStatus(phone), DEAD, 'the other sessions of the account are ended')
    t.match((await confirm(mina, { token })).json(), REFUSED)
    const sent = server.received.length
    await service.post('/v1/email-verification', { email: ADDRESS })
    await deliver(service)
    t.equal(server.received.length, sent, 'a confirmed address gets no further mail')
  },
)

t.test('where addresses must be confirmed, registering any address returns 202; log-in needs the mail', async (t) => {
  const { server, service } = await start(t, 'required')
  t.match((await signUp(service, { username: 'mina' })).json(), { errors: [{ path: '/email' }] })
  const first = await signUp(service, { username: 'mina', email: ADDRESS })
  t.equal(`${first.statusCode} ${first.body}`, '202 ')
  for (const who of [{ username: 'mina' }, { email: ADDRESS }]) {
    const early = await service.post('/v1/login', { ...who, password: PASSWORD })
    t.match(early.json(), { status: 403, code: 'email_unverified' }, JSON.stringify(who))
    t.match((await service.post('/v1/login', { ...who, password: NEXT })).json(), { code: 'invalid_credentials' })
  }
  const { db, tables } = service.app.database
  const isFailed = eq(tables.events.type, 'login.failed')
  const failed = await db.select().from(tables.events).where(isFailed).orderBy(tables.events.id)
  const reasons = ['email_unverified', 'wrong_password', 'email_unverified', 'wrong_password']
  t.same(
    failed.map(({ reason }) => reason),
    reasons,
    'the audit log has each of them',
  )
  const { link, token } = await gifts(service, server)
  await scan(service, link)
  const [form] = formsOf((await open(service, link)).body)
  const wrong = await submit(service, form?.action ?? '', { ...form?.fields, password: NEXT })
  t.equal(wrong.statusCode, 400)
  t.match(wrong.body, /role="alert"/)
  const done = await submit(service, form?.action ?? '', { ...form?.fields, password: PASSWORD })
  t.match(done.body, /The address is confirmed.*href="\/account\/login">Log in</s)
  t.match((await confirm(service, { token, password: PASSWORD })).json(), REFUSED)
  const login = await service.post('/v1/login', { email: ADDRESS, password: PASSWORD })
  t.match(login.json(), { user: { email: ADDRESS, email_verified: true, pending_email: null } })

  const again = await signUp(service, { username: 'other', email: ADDRESS })
  t.equal(`${again.statusCode} ${again.body}`, '202 ', 'the same answer as for a new address')
  await deliver(service)
  t.equal(newest(server).mail.subject, 'You already have an account at Example')
  t.notMatch(newest(server).mail.text, /lkt_/)
  t.match((await service.post('/v1/login', { username: 'other', password: PASSWORD })).json(), {
    code: 'email_unverified',
  })
})

t.test('a registration runs the same SQL statements whether or not the address has an account', async (t) => {
  const { service } = await start(t, 'required')
  const { tables, db } = service.app.database
  await signUp(service, { email: ADDRESS })
  await db.update(tables.users).set({ email: ADDRESS, emailKey: ADDRESS, emailVerifiedAt: 1, unprovenUntil: null })
  const take = await hearStatements(t)
  const heard = []
  for (const email of [ADDRESS, 'nobody@example.org']) {
    take()
    t.equal((await signUp(service, { email })).statusCode, 202)
    heard.push(take())
  }
  t.ok((heard[0] ?? []).length > 3)
  t.same(heard[1], heard[0])
})

t.test('an account that is not confirmed within a day is deleted, and no other account is', async (t) => {
  const { service } = await start(t, 'required')
  const { tables, db } = service.app.database
  await signUp(service, { username: 'mina', email: ADDRESS })
  await signUp(service, { username: 'joon', email: 'joon@example.org' })
  await service.app.registration.create({ username: 'boss', password: PASSWORD })
  await db
    .update(tables.users)
    .set({ unprovenUntil: Date.now() - DAY_MS })
    .where(eq(tables.users.username, 'mina'))
  await service.app.emailAddresses.prune()
  const left = await db.select({ username: tables.users.username }).from(tables.users).orderBy(tables.users.id)
  t.same(
    left.map(({ username }) => username),
    ['joon', 'boss'],
  )
  t.equal(
    (await service.logIn('boss')).login.user.username,
    'boss',
    'an account made on the command line has no deadline',
  )
})

t.test('an account that registered an unconfirmed address loses it to the user who confirms it', async (t) => {
  const { server, service } = await start(t, 'optional')
  const squatter = await register(service, 'squatter')
  await gifts(service, server)
  const owner = await register(service, 'nara')
  t.match((await owner.get('/v1/me')).json(), { email: null, pending_email: ADDRESS })
  const { token } = await gifts(service, server)
  t.match((await confirm(squatter, { token })).json(), REFUSED)
  t.equal((await confirm(owner, { token })).statusCode, 204)
  t.match((await owner.get('/v1/me')).json(), { email: ADDRESS, email_verified: true, pending_email: null })
  t.equal(await sessionStatus(squatter), DEAD)
  t.equal((await service.post('/v1/login', { email: ADDRESS, password: PASSWORD })).json().user.id, owner.id)
  const late = await signUp(service, { username: 'third', email: ADDRESS })
  t.match(late.json(), { status: 409, code: 'email_taken' }, 'a confirmed address cannot be taken over')
})

t.test('a changed address takes effect when it is confirmed, and the old address can undo the change', async (t) => {
  const { server, service } = await start(t, 'optional')
  const mina = await register(service, 'mina')
  await confirm(mina, { token: (await gifts(service, server)).token })
  const change = (email: string) => mina.patch('/v1/me', { email, current_password: PASSWORD })
  t.match((await change('thief@example.net')).json(), { email: ADDRESS, pending_email: 'thief@example.net' })
  await deliver(service)
  t.same(newest(server).to, ['thief@example.net'])
  t.equal((await confirm(mina, { token: newestGifts(server).token })).statusCode, 204)
  t.match((await mina.get('/v1/me')).json(), { email: 'thief@example.net', pending_email: null })
  await deliver(service)
  const undo = newest(server)
  t.same(undo.to, [ADDRESS])
  const { link } = giftsOf(undo)

  await change('second@example.net')
  await confirm(mina, { token: (await gifts(service, server)).token })
  await deliver(service)
  await scan(service, link)
  t.match((await mina.get('/v1/me')).json(), { email: 'second@example.net' }, 'a mail scanner does not undo the change')
  const [form] = formsOf((await open(service, link)).body)
  const undone = await submit(service, form?.action ?? '', { ...form?.fields, sure: 'yes' })
  t.match(undone.body, /The change was taken back.*href="\/account\/forgot">Set a new password</s)
  t.equal(await sessionStatus(mina), DEAD)
  const back = await service.logIn('mina')
  t.match((await back.get('/v1/me')).json(), { email: ADDRESS, email_verified: true })
})

t.test('every address that an account loses is notified, and the first can undo, even after a removal', async (t) => {
  const { server, service } = await start(t, 'optional')
  const mina = await register(service, 'mina')
  await confirm(mina, { token: (await gifts(service, server)).token })
  const change = (email: string | null) => mina.patch('/v1/me', { email, current_password: PASSWORD })
  const takeLoss = async (address: string) => {
    await deliver(service)
    const isLoss = ({ to, mail }: (typeof server.received)[number]) =>
      to[0] === address && mail.subject === 'The address of your account at Example was changed'
    const losses = server.received.filter(isLoss)
    t.equal(losses.length, 1, address)
    server.received.length = 0
    return losses[0] ? giftsOf(losses[0]) : { link: '', token: '', code: '' }
  }
  t.match((await change(null)).json(), { email: null, email_verified: false })
  const { token } = await takeLoss(ADDRESS)
  t.match(token, /^lkt_/, 'the removed address can undo the removal')

  for (const [former, next] of [
    [undefined, 'thief@example.net'],
    ['thief@example.net', 'second@example.net'],
  ] as const) {
    await change(next)
    t.equal((await confirm(mina, { token: (await gifts(service, server)).token })).statusCode, 204)
    if (former !== undefined)
      t.equal((await takeLoss(former)).token, '', 'the undo of the first change stays the only one')
  }
  t.equal((await confirm(service, { token })).statusCode, 204)
  await takeLoss('second@example.net')
  const back = await service.logIn('mina')
  t.match((await back.get('/v1/me')).json(), { email: ADDRESS, email_verified: true })
})

t.test('a pending change of address can be withdrawn, and then its mailed token and code are rejected', async (t) => {
  const { server, service } = await start(t, 'optional')
  const mina = await register(service, 'mina')
  const joon = await service.signUp('joon')
  await confirm(mina, { token: (await gifts(service, server)).token })
  const wanted = 'new@example.net'
  const change = (person: Person) => person.patch('/v1/me', { email: wanted, current_password: PASSWORD })
  const browser = await browse(service, 'mina')
  const ways = {
    api: () => mina.patch('/v1/me', { pending_email: null }),
    page: () => browser.send('/account/address', { deed: 'withdraw' }),
  }
  const { db, tables } = service.app.database
  const { events } = tables
  const isWithdrawal = eq(events.type, 'email.withdrawn')
  t.match((await mina.patch('/v1/me', { pending_email: wanted })).json(), { code: 'validation_failed' })
  await change(joon)
  const { link } = await gifts(service, server)
  for (const [name, withdraw] of Object.entries(ways)) {
    await change(mina)
    const mine = await gifts(service, server)
    t.match((await browser.open('/account/address')).body, /Cancel the change/, name)
    const answer = await withdraw()
    if (name === 'api') t.match(answer.json(), { email: ADDRESS, email_verified: true, pending_email: null })
    else t.match([answer.statusCode, answer.headers.location], [303, '/account/address?done=1'])
    const page = await browser.open('/account/address')
    t.notMatch(page.body, /new@example|Cancel the change/, name)
    for (const shown of [{ token: mine.token }, { email: wanted, code: mine.code }]) {
      t.match((await confirm(mina, shown)).json(), REFUSED, name)
    }
    t.equal((await open(service, mine.link)).statusCode, 400, 'the page of the mailed link')
    t.equal(await db.$count(tables.oneTimeTokens, eq(tables.oneTimeTokens.userId, mina.id)), 0)
    t.match(
      (await joon.get('/v1/me')).json(),
      { pending_email: wanted },
      'the pending change of another user to the same address is unaffected',
    )
    t.equal((await open(service, link)).statusCode, 200)

    await change(mina)
    await withdraw()
    const sent = server.received.length
    await deliver(service)
    t.equal(server.received.length, sent, 'the unsent mail of a withdrawn change is not sent')
    await withdraw()
  }
  const withdrawn = await db.select().from(events).where(isWithdrawal)
  t.equal(withdrawn.length, 4, 'one event for each withdrawal, and none where no change was pending')
  for (const event of withdrawn) t.match(event, { userId: mina.id, actorId: mina.id })
  t.equal(await sessionStatus(mina), ALIVE)

  await change(mina)
  const { token } = await gifts(service, server)
  t.equal((await confirm(mina, { token })).statusCode, 204, 'the same address can be requested again')
  await db
    .update(tables.users)
    .set({
      username: null,
      usernameKey: null,
      email: null,
      emailKey: null,
      pendingEmail: wanted,
      pendingEmailKey: wanted,
    })
    .where(eq(tables.users.id, joon.id))
  t.match((await joon.patch('/v1/me', { pending_email: null })).json(), { errors: [{ path: '/email' }] })
})

t.test('requesting an address in use does not reveal that, and a recipient can decline a confirmation', async (t) => {
  const { server, service } = await start(t, 'optional')
  const mina = await register(service, 'mina')
  await confirm(mina, { token: (await gifts(service, server)).token })
  const joon = await service.signUp('joon')
  const wish = { email: ADDRESS, current_password: PASSWORD }
  t.match((await joon.patch('/v1/me', wish)).json(), { email: null, pending_email: ADDRESS })
  await deliver(service)
  t.equal(newest(server).mail.subject, 'You already have an account at Example')
  await joon.patch('/v1/me', { ...wish, email: 'nara@example.org' })
  const { link } = await gifts(service, server)
  const [, decline] = formsOf((await open(service, link)).body)
  t.equal(
    (await submit(service, decline?.action ?? '', decline?.fields ?? {})).statusCode,
    400,
    'the box is not ticked',
  )
  t.match((await joon.get('/v1/me')).json(), { pending_email: 'nara@example.org' })
  const declined = await submit(service, decline?.action ?? '', { ...decline?.fields, sure: 'yes' })
  t.match(declined.body, /The address was refused/)
  t.match((await joon.get('/v1/me')).json(), { pending_email: null })
  for (let n = 0; n < 5; n += 1) await joon.patch('/v1/me', { ...wish, email: `victim${n % 2}@example.org` })
  const before = server.received.length
  await deliver(service)
  t.ok(server.received.length - before <= 5)
})

t.test('a recipient who refuses an unconfirmed address takes it from the account', async (t) => {
  const { server, service } = await start(t, 'optional')
  const refuse = async (link: string) => {
    const [, form] = formsOf((await open(service, link)).body)
    return submit(service, form?.action ?? '', { ...form?.fields, sure: 'yes' })
  }
  for (const username of ['squatter', undefined]) {
    const squatter = new Person(
      service,
      (await signUp(service, { ...(username && { username }), email: ADDRESS })).json(),
    )
    const { link } = await gifts(service, server)
    t.match((await refuse(link)).body, /The account does not have it/)
    t.match((await squatter.get('/v1/me')).json(), { email: null, pending_email: username ? null : ADDRESS })
    const login = await service.post('/v1/login', { email: ADDRESS, password: PASSWORD })
    t.match(login.json(), { code: 'invalid_credentials' })
    if (username !== undefined) continue
    await service.post('/v1/email-verification', { email: ADDRESS })
    await refuse((await gifts(service, server)).link)
    t.equal((await squatter.get('/v1/me')).statusCode, 200, 'an account without another name is not deleted')
  }
  const owner = await register(service, 'nara')
  t.match((await owner.get('/v1/me')).json(), { email: ADDRESS, pending_email: null }, 'the address is free')
})

t.test('an invited person chooses a password and a name, on the page or through the API', async (t) => {
  const { server, service } = await start(t, 'off')
  const boss = await signUpAdmin(service, 'boss')
  const made = await boss.post('/v1/users', { email: ADDRESS, name: 'Mina', roles: ['editor'], invite: true })
  t.match(made.json(), { email: ADDRESS, email_verified: false, roles: ['editor'] })
  t.match((await service.post('/v1/login', { email: ADDRESS, password: PASSWORD })).json(), {
    code: 'invalid_credentials',
  })
  t.match((await boss.post('/v1/users', { email: ADDRESS })).json(), { status: 409, code: 'email_taken' })
  const { link } = await gifts(service, server)
  await scan(service, link)
  const [form] = formsOf((await open(service, link)).body)
  const fill = (more: Record<string, string>) => submit(service, form?.action ?? '', { ...form?.fields, ...more })
  t.match((await fill({ username: 'boss', password: PASSWORD })).body, /role="alert"/)
  t.match((await fill({ username: 'mina', password: 'password1' })).body, /role="alert"/)
  t.match((await fill({ username: 'mina', password: PASSWORD })).body, /The account is yours.*href="\/account\/login"/s)
  t.equal((await open(service, link)).statusCode, 400)
  t.match((await service.logIn('mina')).login.user, { email: ADDRESS, email_verified: true, roles: ['editor'] })

  await boss.post('/v1/users', { email: 'joon@example.org', username: 'joon', invite: true })
  const { token } = await gifts(service, server)
  const accepted = await service.post('/v1/invitations/accept', { token, password: PASSWORD })
  t.match(accepted.json(), { user: { username: 'joon', email_verified: true } })
  t.equal((await new Person(service, accepted.json()).get('/v1/me')).statusCode, 200)
  t.match((await service.post('/v1/invitations/accept', { token, password: NEXT })).json(), REFUSED)
})

t.test('without mail, the API rejects invitations, and the command line gets the invitation token', async (t) => {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  t.match((await boss.post('/v1/users', { email: ADDRESS, invite: true })).json(), {
    status: 403,
    code: 'mail_disabled',
  })
  const { registration, invitations } = service.app
  let token: Awaited<ReturnType<typeof invitations.invite>>
  await registration.create(
    { email: ADDRESS },
    {
      finish: async (user, db) => {
        token = await invitations.invite(db, user, { id: null })
      },
    },
  )
  const accepted = await service.post('/v1/invitations/accept', { token: token?.token, password: PASSWORD })
  t.match(
    accepted.json(),
    { user: { email: ADDRESS, email_verified: false } },
    'a token that was handed over does not confirm the address',
  )
})

/** The response to each request, by state of the address, for EMAIL_VERIFICATION [off, optional, required]. */
const ENDPOINTS: Record<string, [string, string, string]> = {
  'register with a free address': ['201', '201', '202'],
  'register with a confirmed address': ['409 email_taken', '409 email_taken', '202'],
  'register with an unconfirmed address': ['409 email_taken', '201', '202'],
  'register with a user name only': ['201', '201', '400 validation_failed'],
  'register at the tutorials API': ['200', '200', '403'],
  'log in with a user name only': ['200', '200', '200'],
  'log in with an unconfirmed address from before the setting': ['200', '200', '200'],
}

t.test('answers to registration and log-in, by EMAIL_VERIFICATION and by the state of the address', async (t) => {
  for (const [index, mode] of (['off', 'optional', 'required'] as const).entries()) {
    const { service } = await start(t, mode)
    const { db, tables } = service.app.database
    const { registration } = service.app
    await registration.create({ username: 'old', email: 'old@example.org', password: PASSWORD })
    await registration.create({ username: 'bare', password: PASSWORD })
    await registration.create({ username: 'proven', email: 'proven@example.org', password: PASSWORD })
    await db.update(tables.users).set({ emailVerifiedAt: 1 }).where(eq(tables.users.username, 'proven'))
    const answers: Record<string, string> = {
      'register with a free address': said(await signUp(service, { email: 'free@example.org' })),
      'register with a confirmed address': said(await signUp(service, { email: 'proven@example.org' })),
      'register with an unconfirmed address': said(await signUp(service, { email: 'old@example.org' })),
      'register with a user name only': said(await signUp(service, { username: 'nameless' })),
      'register at the tutorials API': String(
        (
          await service.app.inject({
            ...{ method: 'POST', url: '/register' },
            payload: { name: 'Hana', email: 'hana@example.com', password: PASSWORD },
          })
        ).statusCode,
      ),
      'log in with a user name only': said(await service.post('/v1/login', { username: 'bare', password: PASSWORD })),
      'log in with an unconfirmed address from before the setting': said(
        await service.post('/v1/login', { username: 'old', password: PASSWORD }),
      ),
    }
    for (const [endpoint, expected] of Object.entries(ENDPOINTS))
      t.equal(answers[endpoint], expected[index], `${mode}: ${endpoint}`)
  }
})

async function start(t: Parameters<typeof startSmtp>[0], EMAIL_VERIFICATION: string) {
  const server = await startSmtp(t)
  const limits = { MAIL_ADDRESS_LIMIT: '9' }
  const service = await startMailing(t, server, { ...WITH_PAGES, ...limits, EMAIL_VERIFICATION })
  return { server, service }
}

function signUp(service: Service, who: { username?: string; email?: string }) {
  return service.post('/v1/register', { ...who, password: PASSWORD })
}

async function register(service: Service, username: string): Promise<Person> {
  return new Person(service, (await signUp(service, { username, email: ADDRESS })).json())
}

async function gifts(service: Service, server: MailServer) {
  await deliver(service)
  return newestGifts(server)
}

function confirm(who: Service | Person, body: object) {
  return who.post('/v1/email-verification/confirm', body)
}

function said({ statusCode, body }: { statusCode: number; body: string }): string {
  const { code } = body === '' ? ({} as { code?: string }) : JSON.parse(body)
  return [statusCode, code].filter(Boolean).join(' ')
}
