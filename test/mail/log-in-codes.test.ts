import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { addTotp } from '../factors/people.js'
import { claimsOf, PASSWORD, Person, type Service, startService } from '../helper.js'
import { ALIVE, sessionStatus } from '../support/people.js'
import { hearStatements } from '../support/statements.js'
import { newest, newestGifts, WITH_PAGES } from './links.js'
import { deliver, outboxOf, register, startMailing } from './people.js'
import { type MailServer, startSmtp } from './servers.js'

t.setTimeout(120_000)

const ADDRESS = 'mina@example.org'
const REFUSED = { status: 400, code: 'invalid_one_time_token' }

t.test('a mailed code logs its owner in once, without a password', async (t) => {
  const { server, service } = await start(t)
  const id = await registerConfirmed(service, 'mina', ADDRESS)
  await registerConfirmed(service, 'joon', 'joon@example.org')
  const code = await codeFor(service, server, 'MINA@Example.org')
  t.same(newest(server).to, [ADDRESS])
  t.notMatch(newest(server).raw, /lkt_|https?:/, 'the mail has no link that another person could open')
  for (const email of ['joon@example.org', 'nobody@example.org']) {
    t.match((await logInWith(service, { email, code })).json(), REFUSED, email)
  }
  t.match(
    (await reset(service, { email: ADDRESS, code })).json(),
    { code: 'invalid_reset_token' },
    'a log-in code does not reset the password',
  )

  const answer = await logInWith(service, { email: 'Mina@example.ORG', code: ` ${code.toLowerCase()} ` })
  t.match(answer.json(), { user: { id, email: ADDRESS } })
  const mina = new Person(service, answer.json())
  t.same(claimsOf(mina.token).amr, ['otp'])
  t.equal(await sessionStatus(mina), ALIVE)
  t.match((await logInWith(service, { email: ADDRESS, code })).json(), REFUSED, 'a code works once')
  const { db, tables } = service.app.database
  const events = (await db.select().from(tables.events)).filter(({ type }) => type.startsWith('login.'))
  t.equal(events.filter(({ type, userId }) => type === 'login.succeeded' && userId === id).length, 1)
  t.ok(events.filter(({ type }) => type === 'login.failed').every(({ userId }) => userId === null))
})

t.test('of ten simultaneous log-ins with one code, one succeeds; five wrong codes end a code', async (t) => {
  const { server, service } = await start(t)
  await registerConfirmed(service, 'mina', ADDRESS)
  const code = await codeFor(service, server)
  const answers = await Promise.all(Array.from({ length: 10 }, () => logInWith(service, { email: ADDRESS, code })))
  t.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 1)
  const second = await codeFor(service, server)
  for (let n = 0; n < 5; n += 1) await logInWith(service, { email: ADDRESS, code: '00000000' })
  t.match((await logInWith(service, { email: ADDRESS, code: second })).json(), REFUSED)
})

t.test('a log-in with a mailed code still requires the second factor', async (t) => {
  const { server, service } = await start(t)
  await registerConfirmed(service, 'mina', ADDRESS)
  const phone = await addTotp(await service.logIn('mina'))
  const code = await codeFor(service, server)
  const first = (await logInWith(service, { email: ADDRESS, code })).json()
  t.match(first, { status: 403, code: 'mfa_required', methods: ['totp', 'recovery_code'] })
  t.notOk(first.access_token)
  t.match((await logInWith(service, { email: ADDRESS, code })).json(), REFUSED, 'the code is used up')
  const { ticket } = first
  t.match((await service.post('/v1/login/factor', { ticket, totp: phone.wrongCode() })).json(), { code: 'wrong_code' })
  const done = await service.post('/v1/login/factor', { ticket, totp: phone.code() })
  t.equal(done.statusCode, 200)
  t.same(claimsOf(done.json().access_token).amr, ['otp', 'mfa'])
})

t.test('a log-in code is sent only to a confirmed address of an active account, and works only for it', async (t) => {
  const { server, service } = await start(t)
  const { db, tables } = service.app.database
  await register(service, 'squatter', ADDRESS)
  const disabled = await registerConfirmed(service, 'disabled', 'disabled@example.org')
  await service.app.administration.change(disabled, { isActive: false }, { id: null })
  for (const email of [ADDRESS, 'disabled@example.org', 'nobody@example.org']) {
    t.equal((await service.post('/v1/login/code/request', { email })).statusCode, 202)
  }
  await deliver(service)
  t.same([server.received, await outboxOf(service)], [[], []])

  const mina = await registerConfirmed(service, 'mina', 'two@example.org')
  const code = await codeFor(service, server, 'two@example.org')
  await db
    .update(tables.users)
    .set({ email: 'new@example.org', emailKey: 'new@example.org' })
    .where(eq(tables.users.id, mina))
  t.match(
    (await logInWith(service, { email: 'two@example.org', code })).json(),
    REFUSED,
    'the address of the account has changed',
  )
})

t.test('a code request and a wrong code run the same SQL statements for a known and an unknown address', async (t) => {
  const { server, service } = await start(t)
  await registerConfirmed(service, 'mina', ADDRESS)
  await codeFor(service, server)
  const take = await hearStatements(t)
  for (const send of [
    (email: string, remoteAddress: string) => asAnybody(service, '/v1/login/code/request', { email }, remoteAddress),
    (email: string, remoteAddress: string) =>
      asAnybody(service, '/v1/login/code', { email, code: '00000000' }, remoteAddress),
  ]) {
    const heard = []
    for (const [index, email] of [ADDRESS, 'nobody@example.org'].entries()) {
      take()
      const { statusCode, body } = await send(email, `198.51.100.${index + 1}`)
      heard.push({ statusCode, body: body.replace(/"request_id":"[^"]+"/, ''), statements: take() })
    }
    t.ok((heard[0]?.statements ?? []).length >= 3, 'the statements were recorded')
    t.same(heard[1], heard[0])
  }
})

t.test('log-in by mailed code is off by default', async (t) => {
  for (const service of [await startService(t), await startMailing(t, await startSmtp(t))]) {
    for (const [path, body] of [
      ['/v1/login/code/request', { email: ADDRESS }],
      ['/v1/login/code', { email: ADDRESS, code: '7K3M-Q9TX' }],
    ] as const) {
      t.match((await service.post(path, body)).json(), { status: 403, code: 'email_login_disabled' })
    }
    t.same(await outboxOf(service), [])
  }
})

async function start(t: Test) {
  const server = await startSmtp(t)
  return { server, service: await startMailing(t, server, { ...WITH_PAGES, EMAIL_LOGIN: 'on' }) }
}

/** Registers a user with a confirmed address. Returns the user's id. */
async function registerConfirmed(service: Service, username: string, email: string): Promise<number> {
  const id = await register(service, username, email)
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ emailVerifiedAt: Date.now() }).where(eq(tables.users.id, id))
  return id
}

async function codeFor(service: Service, server: MailServer, email = ADDRESS): Promise<string> {
  const { statusCode, body } = await service.post('/v1/login/code/request', { email })
  if (`${statusCode} ${body}` !== '202 ') throw new Error(`${statusCode} ${body}`)
  await deliver(service)
  return newestGifts(server).code
}

function logInWith(service: Service, body: { email: string; code: string }) {
  return service.post('/v1/login/code', body)
}

function reset(service: Service, shown: { email: string; code: string }) {
  return service.post('/v1/password-reset', { ...shown, new_password: PASSWORD })
}

function asAnybody(service: Service, url: string, payload: object, remoteAddress: string) {
  return service.request({ method: 'POST', url, payload, remoteAddress })
}
