import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import type { Config } from '../../src/config/config.js'
import { claimsOf, type LoginAnswer, PASSWORD, Person, type Service, startService } from '../helper.js'
import { newest, newestGifts } from '../mail/links.js'
import { deliver, startMailing } from '../mail/people.js'
import { type MailServer, startSmtp } from '../mail/servers.js'
import { latchkey } from '../support/child.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'
import { settingsOf, startSecond } from '../support/replica.js'
import { Authenticator, addTotp, enroll, forget, ticketOf } from './people.js'
import { addPasskey, question, SoftwarePasskey } from './software-passkey.js'

t.setTimeout(120_000)

const OLD = 'r8sYbQ2nT6uWx1ZcV4mKp9LdE3fGh7Ja'
const NEW = 'M5vJq0HtX7yRa2DkS9wNe4BgU6iPo1Lc'
const ADDRESS = 'mina@example.org'

t.test('an account that needs a factor and has none adds TOTP during the log-in, which completes it', async (t) => {
  const before = await startService(t)
  const [mina, joon] = [await before.signUp('mina'), await before.signUp('joon')]
  const service = await startSecond(t, before, { MFA: 'required' })
  const refused = await logIn(service, 'mina')
  t.match(refused, { status: 403, code: 'mfa_enrollment_required', methods: ['totp', 'passkey'], confirmation: 'none' })
  t.notMatch(JSON.stringify(refused), 'token"')
  const { ticket } = refused
  await mustOpenNothingElse(t, service, ticket)

  const begun = await service.post('/v1/login/enroll/totp', { ticket, name: 'phone' })
  t.match(begun.json(), { secret: /^[A-Z2-7]{32}$/, uri: /^otpauth:/, qr: /^<svg / })
  const phone = new Authenticator(mina, begun.json().id, begun.json().uri, [])
  const confirm = (code: string) => service.post('/v1/login/enroll/totp/confirm', { ticket, code })
  t.match((await confirm(phone.wrongCode())).json(), { status: 403, code: 'wrong_code' })
  t.match(await logIn(service, 'mina'), { code: 'mfa_enrollment_required' }, 'unconfirmed TOTP does not count')
  const done = await confirm(phone.code())
  t.match(done.json(), { user: { id: mina.id }, recovery_codes: { length: 10 } })
  const enrolled = new Person(service, done.json())
  t.same(claimsOf(enrolled.token).amr, ['pwd', 'otp', 'mfa'])
  t.equal(await sessionStatus(enrolled), ALIVE)
  t.equal(await sessionStatus(new Person(service, mina.login)), DEAD, 'all older sessions have ended')
  t.match((await confirm(phone.code(1))).json(), { status: 400, code: 'invalid_ticket' }, 'the ticket works once')
  t.match((await service.post('/v1/login/enroll/totp', { ticket })).json(), { code: 'invalid_ticket' })
  t.equal((await joon.get('/v1/me')).statusCode, 200)
  await forget(service, mina.id)
  const next = await ticketOf(service, 'mina')
  t.equal((await service.post('/v1/login/factor', { ticket: next, totp: phone.code() })).statusCode, 200)
  const { db, tables } = service.app.database
  const events = (await db.select().from(tables.events)).filter(({ userId }) => userId === mina.id)
  t.match(
    events.filter(({ type }) => type === 'factor.added'),
    [{ actorId: mina.id, sessionId: null, reason: 'in a log-in' }],
  )
  t.match(events.findLast(({ type }) => type === 'login.succeeded')?.reason, 'password and second factor')
})

t.test('a passkey can be added during the log-in, only with the ticket that it was created for', async (t) => {
  const service = await startService(t, { MFA: 'required' })
  const [first, other] = [await register(service, 'mina'), await register(service, 'joon')]
  const options = async (ticket: string) => (await service.post('/v1/login/enroll/passkey/options', { ticket })).json()
  const send = (ticket: string, passkey: object) =>
    service.post('/v1/login/enroll/passkey', { ticket, name: 'laptop', passkey })
  const passkey = new SoftwarePasskey()
  const made = passkey.create(await options(first))
  t.match((await send(other, made)).json(), { status: 403, code: 'passkey_rejected' }, 'by another user')
  const done = await send(first, made)
  t.match(done.json(), { user: { username: 'mina' }, recovery_codes: { length: 10 } })
  t.same(claimsOf(done.json().access_token).amr, ['pwd', 'swk', 'user', 'mfa'])
  t.match((await send(first, made)).json(), { code: 'invalid_ticket' })
  const answer = { passkey: passkey.get(await question(service)) }
  t.equal((await service.post('/v1/login/passkey', answer)).statusCode, 200)
})

t.test('of ten concurrent enrollments with one ticket, exactly one succeeds', async (t) => {
  const service = await startService(t, { MFA: 'required' })
  const ticket = await register(service, 'mina')
  const { uri, id } = (await service.post('/v1/login/enroll/totp', { ticket })).json()
  const code = new Authenticator({} as Person, id, uri, []).code()
  const tries = Array.from({ length: 10 }, () => service.post('/v1/login/enroll/totp/confirm', { ticket, code }))
  t.equal((await Promise.all(tries)).filter(({ statusCode }) => statusCode === 200).length, 1)
})

t.test('only an enrollment ticket enrolls, for 15 minutes, until a new password or a disabled account', async (t) => {
  const service = await startService(t, { MFA: 'required' })
  const ticket = await register(service, 'mina')
  const begin = (ticket: string) => service.post('/v1/login/enroll/totp', { ticket })
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() + 15 * 60_000 + 1
  t.match((await begin(ticket)).json(), { code: 'invalid_ticket' }, 'after 15 minutes')
  Date.now = now
  t.equal((await begin(ticket)).statusCode, 201)
  const { user } = await enroll(service, 'mina')
  t.match((await begin(await ticketOf(service, 'mina'))).json(), { code: 'invalid_ticket' }, 'a log-in ticket')
  const dana = await register(service, 'dana')
  t.equal((await begin(dana)).statusCode, 201)
  const set = await latchkey(t, ['users', 'reset-password', 'dana', '--json'], { settings: settingsOf(service) })
  t.equal(await set.exit, 0, set.stderr)
  const reset = { token: JSON.parse(set.stdout).token, new_password: 'four louder lanterns' }
  t.equal((await service.post('/v1/password-reset', reset)).statusCode, 204)
  t.match((await begin(dana)).json(), { code: 'invalid_ticket' }, 'of the old password')
  t.match(
    (await service.post('/v1/login/enroll/totp/confirm', { ticket: dana, code: '000000' })).json(),
    { code: 'invalid_ticket' },
    'of the old password, once begun',
  )
  const joon = await register(service, 'joon')
  await service.app.administration.change(user.id + 2, { isActive: false }, { id: null })
  t.match((await begin(joon)).json(), { code: 'invalid_ticket' })
})

t.test('with MFA=required, a user cannot remove the last factor of any kind, and an operator can', async (t) => {
  const service = await startService(t, { MFA: 'required' })
  await register(service, 'mina')
  const { user, access_token, id } = await enroll(service, 'mina')
  const mina = new Person(service, { user, access_token, refresh_token: '', expires_in: 0 })
  const refused = (await mina.delete(`/v1/me/factors/${id}`)).json()
  t.match(refused, { status: 409, code: 'last_factor' })
  t.match((await mina.get('/v1/me/factors')).json(), { items: { length: 1 }, recovery_codes_left: 10 })
  const { id: passkey } = await addPasskey(mina)
  t.equal((await mina.delete(`/v1/me/factors/${id}`)).statusCode, 204)
  t.match((await mina.delete(`/v1/me/factors/${passkey}`)).json(), { code: 'last_factor' })
  const run = await latchkey(t, ['users', 'remove-factors', 'mina'], { settings: settingsOf(service) })
  t.equal(await run.exit, 0)
  t.match(await logIn(service, 'mina'), { code: 'mfa_enrollment_required' })
  const forAdmins = await startSecond(t, service, { MFA: 'required_for_admins' })
  const joon = await forAdmins.signUp('joon')
  t.equal((await joon.delete(`/v1/me/factors/${(await addTotp(joon)).id}`)).statusCode, 204, 'not an admin')
})

t.test('with MFA=off, no factor can be added, and existing factors are still asked for', async (t) => {
  const before = await startService(t)
  const phone = await addTotp(await before.signUp('mina'))
  const service = await startSecond(t, before, { MFA: 'off' })
  const joon = await service.signUp('joon')
  for (const url of ['/v1/me/totp', '/v1/me/passkeys/options']) {
    t.match((await joon.post(url)).json(), { status: 403, code: 'mfa_disabled' }, url)
  }
  const ticket = await ticketOf(service, 'mina')
  const done = await service.post('/v1/login/factor', { ticket, totp: phone.code() })
  const mina = new Person(service, done.json())
  t.equal((await mina.delete(`/v1/me/factors/${phone.id}`)).statusCode, 204)
})

t.test('an account with a confirmed address needs a mailed code to enroll, not the password alone', async (t) => {
  const { service, server } = await startConfirmed(t)
  const { ticket, confirmation } = await logIn(service, 'mina')
  t.equal(confirmation, 'email')
  for (const [url, body] of [
    ['/v1/login/enroll/totp', { ticket }],
    ['/v1/login/enroll/totp/confirm', { ticket, code: '000000' }],
    ['/v1/login/enroll/passkey/options', { ticket }],
  ] as const) {
    t.match((await service.post(url, body)).json(), { status: 403, code: 'enrollment_unconfirmed' }, url)
  }
  const confirm = (shown: object, held = ticket) => service.post('/v1/login/enroll/code', { ticket: held, ...shown })
  t.match((await confirm({ code: '7K3M-Q9TX' })).json(), { status: 400, code: 'invalid_one_time_token' })
  t.equal((await service.post('/v1/login/enroll/code/request', { ticket })).statusCode, 202)
  await deliver(service)
  t.same(newest(server).to, [ADDRESS])
  t.notMatch(newest(server).raw, /lkt_|https?:/)
  const { code } = newestGifts(server)
  const joon = await logIn(service, 'joon')
  t.match((await confirm({ code }, joon.ticket)).json(), { code: 'invalid_one_time_token' }, "another user's ticket")
  t.match((await service.post('/v1/password-reset', { email: ADDRESS, code, new_password: PASSWORD })).json(), {
    code: 'invalid_reset_token',
  })
  const { ticket: good } = (await confirm({ code: ` ${code.toLowerCase()} ` })).json()
  const login = await finish(service, good)
  t.equal(login.user.username, 'mina')
  t.match((await confirm({ code })).json(), { code: 'invalid_ticket' }, 'the ticket has ended')
  const { db, tables } = service.app.database
  t.same(await db.select().from(tables.oneTimeTokens), [])
  for (let n = 0; n < 5; n += 1) await confirm({ code: '0000-0000' }, joon.ticket)
})

t.test('five wrong tries end a mailed code; a log-in by mailed code needs no second code to enroll', async (t) => {
  const { service, server } = await startConfirmed(t)
  const { ticket } = await logIn(service, 'mina')
  await service.post('/v1/login/enroll/code/request', { ticket })
  await deliver(service)
  const { code } = newestGifts(server)
  for (let n = 0; n < 5; n += 1) await service.post('/v1/login/enroll/code', { ticket, code: '0000-0000' })
  t.match((await service.post('/v1/login/enroll/code', { ticket, code })).json(), { code: 'invalid_one_time_token' })

  await service.post('/v1/login/code/request', { email: ADDRESS })
  await deliver(service)
  const refused = await service.post('/v1/login/code', { email: ADDRESS, code: newestGifts(server).code })
  t.match(refused.json(), { status: 403, code: 'mfa_enrollment_required', confirmation: 'none' })
  const { access_token } = await finish(service, refused.json().ticket)
  t.same(claimsOf(access_token).amr, ['otp', 'mfa'])
})

t.test(
  'an admin without a confirmed address can enroll only with the token that users enroll-link prints',
  async (t) => {
    const before = await startService(t)
    await before.signUp('joon')
    await signUpAdmin(before, 'boss')
    const service = await startSecond(t, before, { MFA: 'required_for_admins' })
    const { ticket, confirmation } = await logIn(service, 'boss')
    t.equal(confirmation, 'link')
    t.match((await service.post('/v1/login/enroll/totp', { ticket })).json(), { code: 'enrollment_unconfirmed' })
    t.match((await service.post('/v1/login/enroll/code/request', { ticket })).json(), { code: 'mail_disabled' })
    const confirm = (token: string) => service.post('/v1/login/enroll/code', { ticket, token })
    t.match((await confirm((await enrollLink(t, service, 'joon')).token)).json(), { code: 'invalid_one_time_token' })
    const { token } = await enrollLink(t, service, 'boss')
    t.match((await service.post('/v1/password-reset', { token, new_password: PASSWORD })).json(), {
      code: 'invalid_reset_token',
    })
    t.match((await service.post('/v1/invitations/accept', { token, password: PASSWORD })).json(), {
      code: 'invalid_one_time_token',
    })
    const good = (await confirm(token)).json().ticket
    const login = await finish(service, good)
    t.match(login.user, { username: 'boss', role: 'admin' })
    t.match((await confirm(token)).json(), { code: 'invalid_ticket' })
    const refused = await latchkey(t, ['users', 'enroll-link', 'boss'], { settings: settingsOf(service) })
    t.equal(await refused.exit, 1, 'the account has a factor')
    t.match(refused.stderr, 'remove-factors')
  },
)

t.test('registration and an accepted invitation return an enrollment ticket and no token', async (t) => {
  const service = await startService(t, { MFA: 'required', COMPAT: 'on' })
  const ticket = await register(service, 'mina')
  t.equal((await finish(service, ticket)).user.username, 'mina')
  const payload = { name: 'Dana', email: 'dana@example.com', password: PASSWORD }
  const tutorial = await service.app.inject({ method: 'POST', url: '/register', payload })
  t.equal(tutorial.statusCode, 403)
  t.notMatch(tutorial.payload, 'token')
  const { db, tables } = service.app.database
  t.same(await db.select().from(tables.users).where(eq(tables.users.email, 'dana@example.com')), [], 'no account')

  const invite = await latchkey(t, ['users', 'invite', ADDRESS, '--json'], { settings: settingsOf(service) })
  t.equal(await invite.exit, 0)
  const { token } = JSON.parse(invite.stdout)
  await service.app.administration.change((await find(service, ADDRESS)).id, { role: 'admin' }, { id: null })
  const accept = () => service.post('/v1/invitations/accept', { token, password: PASSWORD, username: 'guest' })
  const refused = await accept()
  t.match(refused.json(), { status: 403, code: 'mfa_enrollment_required', confirmation: 'none' })
  t.match((await accept()).json(), { code: 'invalid_one_time_token' })
  t.match((await finish(service, refused.json().ticket)).user, { username: 'guest', role: 'admin' })
})

t.test('a factor that was added during a log-in still works after SECRET_KEY is rotated', async (t) => {
  const service = await startService(t, { MFA: 'required', SECRET_KEY: OLD })
  await register(service, 'mina')
  const mina = await enroll(service, 'mina')
  const settings = { MFA: 'required', DATABASE_URL: service.app.config.DATABASE_URL }
  await service.app.close()
  const both = await startService(t, { ...settings, SECRET_KEY: `${NEW},${OLD}` })
  await both.app.close()
  const after = await startService(t, { ...settings, SECRET_KEY: NEW })
  const complete = async (shown: object) => {
    await forget(after, mina.user.id)
    return after.post('/v1/login/factor', { ticket: await ticketOf(after, 'mina'), ...shown })
  }
  t.equal((await complete({ totp: mina.phone.code() })).statusCode, 200)
  t.equal((await complete({ recovery_code: mina.recovery_codes[0] })).statusCode, 200)
})

/** Registers a user where a factor is required. Returns the ticket. */
async function register(service: Service, username: string): Promise<string> {
  const response = await service.post('/v1/register', { username, password: PASSWORD })
  if (response.json().code !== 'mfa_enrollment_required') throw new Error(`register: ${response.payload}`)
  return response.json().ticket
}

async function logIn(service: Service, username: string) {
  return (await service.post('/v1/login', { username, password: PASSWORD })).json()
}

/** Adds TOTP with a ticket. */
async function finish(service: Service, ticket: string): Promise<LoginAnswer> {
  const begun = (await service.post('/v1/login/enroll/totp', { ticket })).json()
  if (begun.uri === undefined) throw new Error(JSON.stringify(begun))
  const code = new Authenticator({} as Person, begun.id, begun.uri, []).code()
  const done = await service.post('/v1/login/enroll/totp/confirm', { ticket, code })
  if (done.statusCode !== 200) throw new Error(done.payload)
  return done.json()
}

/** The output of `users enroll-link` for a user. */
async function enrollLink(t: Test, service: Service, who: string) {
  const child = await latchkey(t, ['users', 'enroll-link', who, '--json'], { settings: settingsOf(service) })
  t.equal(await child.exit, 0, child.stderr)
  return JSON.parse(child.stdout)
}

async function find({ app }: Service, email: string) {
  const { db, tables } = app.database
  const [user] = await db.select().from(tables.users).where(eq(tables.users.email, email))
  if (user === undefined) throw new Error(`nobody has ${email}`)
  return user
}

/** A service where every user needs a factor, and two users without one: Mina with a confirmed address, and Joon. */
async function startConfirmed(t: Test): Promise<{ service: Service; server: MailServer }> {
  const server = await startSmtp(t)
  const settings: Partial<Record<keyof Config, string>> = { EMAIL_LOGIN: 'on' }
  const before = await startMailing(t, server, settings)
  await before.post('/v1/register', { username: 'mina', email: ADDRESS, password: PASSWORD })
  await before.signUp('joon')
  const { db, tables } = before.app.database
  await db.update(tables.users).set({ emailVerifiedAt: Date.now() }).where(eq(tables.users.email, ADDRESS))
  return { service: await startSecond(t, before, { MFA: 'required' }), server }
}

/** Checks that the ticket is not accepted as an access token, as the ticket of a log-in or as a one-time token. */
async function mustOpenNothingElse(t: Test, service: Service, ticket: string): Promise<void> {
  for (const url of ['/v1/me', '/v1/verify', '/v1/sessions']) {
    t.equal((await service.get(url, { authorization: `Bearer ${ticket}` })).statusCode, 401, url)
  }
  for (const [url, body] of [
    ['/v1/login/factor', { ticket, totp: '000000' }],
    ['/v1/login/passkey/options', { ticket }],
  ] as const) {
    t.match((await service.post(url, body)).json(), { code: 'invalid_ticket' }, url)
  }
  t.match((await service.post('/v1/refresh', { refresh_token: ticket })).json(), { code: 'invalid_grant' })
}
