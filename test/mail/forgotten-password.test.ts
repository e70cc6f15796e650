import t from 'tap'
import { addTotp } from '../factors/people.js'
import { countBy, PASSWORD, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'
import { startSecond } from '../support/replica.js'
import { hearStatements } from '../support/statements.js'
import { formsOf, newest, newestGifts, open, scan, submit, WITH_PAGES } from './links.js'
import { deliver, letTimePass, outboxOf, register, startMailing } from './people.js'
import { startSmtp } from './servers.js'

t.setTimeout(240_000)

const NEXT = 'four louder lanterns'
const REFUSED = { status: 400, code: 'invalid_reset_token' }
const ADDRESS = 'mina@example.org'

t.test('a user who forgot the password sets a new one through the mailed link', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, WITH_PAGES)
  await register(service, 'mina', ADDRESS)
  const [mina, joon] = [await service.logIn('mina'), await service.signUp('joon')]
  t.equal((await ask(service, 'MINA@Example.org')).statusCode, 202)
  await deliver(service)
  const { link, token, code } = newestGifts(server)
  t.same(newest(server).to, [ADDRESS])
  t.equal(link, `https://login.example.com/account/reset?token=${token}`)
  t.match(code, /^[0-9A-Z]{4}-[0-9A-Z]{4}$/)
  t.notMatch(JSON.stringify(await outboxOf(service)), token)

  await scan(service, link)
  const page = await open(service, link)
  t.match(page.body, /<bdi>mina<\/bdi>/)
  const [form] = formsOf(page.body)
  const weak = await submit(service, form?.action ?? '', { ...form?.fields, new_password: 'password1' })
  t.equal(weak.statusCode, 400)
  t.match(weak.body, /role="alert"/)
  t.equal(await sessionStatus(mina), ALIVE, 'a rejected password ends no session')
  const done = await submit(service, form?.action ?? '', { ...form?.fields, new_password: NEXT })
  t.match(done.body, /The password is set.*href="\/account\/login">Log in</s)
  t.equal(await sessionStatus(mina), DEAD)
  t.equal(await sessionStatus(joon), ALIVE)
  t.equal((await service.logIn('mina', NEXT)).id, mina.id)
  t.equal((await open(service, link)).statusCode, 400, 'a link works once')
  t.match((await reset(service, { token })).json(), REFUSED)
  t.ok((await service.app.accounts.get(mina.id)).emailVerifiedAt, 'the reset confirms the address')
  t.same((await mailsAfter(service, server)).at(-1), 'Your password for Example was changed')
})

t.test(
  'a password reset still requires the second factor: by link, by code and on the page that asks for it',
  async (t) => {
    const server = await startSmtp(t)
    const service = await startMailing(t, server, WITH_PAGES)
    await register(service, 'mina', ADDRESS)
    const mina = await service.logIn('mina')
    const phone = await addTotp(mina)
    await ask(service)
    await deliver(service)
    const { link, token, code } = newestGifts(server)
    for (const mail of [{ token }, { email: ADDRESS, code }]) {
      const refused = (await reset(service, mail)).json()
      t.match(refused, { status: 403, code: 'mfa_required', methods: ['totp', 'recovery_code'] })
      t.equal(refused.ticket, undefined, 'no log-in ticket is returned')
      t.match((await reset(service, { ...mail, totp: phone.wrongCode() })).json(), { status: 403, code: 'wrong_code' })
    }
    t.match((await reset(service, { token, recovery_code: phone.recoveryCodes[0] }, 'password1')).json(), {
      code: 'password_rejected',
    })
    t.equal(await sessionStatus(mina), ALIVE)

    const [form] = formsOf((await open(service, link)).body)
    const asked = await submit(service, form?.action ?? '', { ...form?.fields, new_password: NEXT })
    t.match(asked.body, /name="factor"/)
    const [second] = formsOf(asked.body)
    const wrong = await submit(service, second?.action ?? '', {
      ...second?.fields,
      new_password: NEXT,
      factor: phone.wrongCode(),
    })
    t.match(wrong.body, /role="alert"/)
    const factor = phone.recoveryCodes[0] ?? ''
    const done = await submit(service, second?.action ?? '', { ...second?.fields, new_password: NEXT, factor })
    t.match(done.body, /The password is set/, 'the rejected password used up no recovery code')
    t.equal(await sessionStatus(mina), DEAD)
    const login = await service.post('/v1/login', { username: 'mina', password: NEXT })
    t.match(login.json(), { code: 'mfa_required' }, 'the second factor is kept')
  },
)

t.test('a user resets the password with a mailed code; five wrong codes end the code, but not the link', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, WITH_PAGES)
  const id = await register(service, 'mina', ADDRESS)
  await ask(service)
  await deliver(service)
  const { code, token } = newestGifts(server)
  t.match((await reset(service, { email: ADDRESS, code }, 'password1')).json(), { code: 'password_rejected' })
  for (const email of ['joon@example.org', 'nobody@example.org']) {
    t.match((await reset(service, { email, code })).json(), REFUSED, email)
  }
  t.equal((await reset(service, { email: 'Mina@EXAMPLE.org', code: code.toLowerCase() })).statusCode, 204)
  t.equal((await service.logIn('mina', NEXT)).id, id)
  t.match((await reset(service, { email: ADDRESS, code })).json(), REFUSED, 'a code works once')

  await ask(service)
  await deliver(service)
  const second = newestGifts(server)
  t.not(second.token, token)
  for (let n = 0; n < 5; n += 1) t.match((await reset(service, { email: ADDRESS, code: '00000000' })).json(), REFUSED)
  t.match((await reset(service, { email: ADDRESS, code: second.code })).json(), REFUSED)
  t.equal((await reset(service, { token: second.token }, PASSWORD)).statusCode, 204)
  const body = { token: second.token, email: ADDRESS, code, new_password: NEXT }
  t.match(
    (await service.post('/v1/password-reset', body)).json(),
    { code: 'validation_failed' },
    'a token and a code cannot be combined',
  )
})

t.test('known and unknown addresses get the same answer and run the same SQL statements', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', ADDRESS)
  const take = await hearStatements(t)
  const heard: string[][] = []
  for (const [index, email] of [ADDRESS, 'nobody@example.org', 'mina@example.net'].entries()) {
    take()
    const remoteAddress = `198.51.100.${index + 1}`
    const answer = await service.request({
      ...{ method: 'POST', url: '/v1/password-reset/request', payload: { email }, remoteAddress },
    })
    t.equal(`${answer.statusCode} ${answer.body}`, '202 ')
    heard.push(take())
  }
  t.ok((heard[0] ?? []).length >= 3, 'the statements were recorded')
  t.same(heard[1], heard[0])
  t.same(heard[2], heard[0])
  t.equal((await outboxOf(service)).length, 3, 'one row for each request, whether or not the address has an account')
  await deliver(service)
  t.same(
    server.received.map(({ to }) => to),
    [[ADDRESS]],
  )
})

t.test('trying a code runs the same SQL statements whether or not the address has an account', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', ADDRESS)
  await ask(service)
  await deliver(service)
  const take = await hearStatements(t)
  const heard = []
  for (const email of [ADDRESS, 'nobody@example.org']) {
    take()
    t.match((await reset(service, { email, code: '00000000' })).json(), REFUSED)
    heard.push(take())
  }
  t.same(heard[1], heard[0])
})

t.test('every attempt to deliver a reset mail uses the same token, also in another process', async (t) => {
  let isBusy = true
  const server = await startSmtp(t, {
    onRcptTo: (_address, _session, done) =>
      done(isBusy ? Object.assign(new Error('later'), { responseCode: 450 }) : null),
  })
  const service = await startMailing(t, server, WITH_PAGES)
  await register(service, 'mina', ADDRESS)
  await ask(service)
  const tokens = []
  for (const replica of [service, await startSecond(t, service)]) {
    await deliver(replica)
    const [row] = await service.app.database.db.select().from(service.app.database.tables.oneTimeTokens)
    tokens.push(row?.id)
    await letTimePass(service)
  }
  t.ok(tokens[0])
  t.equal(tokens[1], tokens[0])
  isBusy = false
  await service.app.close()
  const last = await startSecond(t, service)
  await deliver(last)
  t.equal((await reset(last, newestGifts(server))).statusCode, 204)
})

t.test('a mail whose token was used or replaced before a retry is not sent again', async (t) => {
  let isBusy = true
  const server = await startSmtp(t, {
    onRcptTo: (_address, _session, done) =>
      done(isBusy ? Object.assign(new Error('later'), { responseCode: 450 }) : null),
  })
  const service = await startMailing(t, server, WITH_PAGES)
  await register(service, 'mina', ADDRESS)
  await ask(service)
  await deliver(service)
  isBusy = false
  await ask(service)
  await deliver(service)
  t.equal(server.received.length, 1)
  t.equal((await reset(service, newestGifts(server))).statusCode, 204)
  server.received.length = 0
  await letTimePass(service)
  await deliver(service)
  t.same(
    server.received.map(({ mail }) => mail.subject),
    ['Your password for Example was changed'],
  )
})

t.test('after three reset requests an hour for an address, no mail is sent, and the answer is still 202', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', ADDRESS)
  const answers = []
  for (let n = 0; n < 5; n += 1) answers.push(await ask(service))
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 202: 5 },
  )
  await deliver(service)
  const mails = server.received.length + (await outboxOf(service)).length
  // A mail that is replaced before it is sent is dropped.
  t.ok(mails >= 1 && mails <= 3, `${mails} mails`)
})

t.test('a reset by an admin mails the token to a user with an address, and the admin does not see it', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, WITH_PAGES)
  const id = await register(service, 'mina', ADDRESS)
  const { id: bare } = await service.signUp('joon')
  const boss = await signUpAdmin(service, 'boss')
  const answer = await boss.post(`/v1/users/${id}/password-reset`)
  t.equal(answer.statusCode, 202)
  t.equal(answer.body, '')
  await deliver(service)
  t.equal((await reset(service, { token: newestGifts(server).token })).statusCode, 204)
  t.equal((await service.logIn('mina', NEXT)).id, id)
  t.match(
    (await boss.post(`/v1/users/${bare}/password-reset`)).json(),
    { token: /^lkt_/ },
    'for a user without an address, the admin gets the token',
  )
})

t.test('a reset request is rejected where mail is off, and for an invalid address', async (t) => {
  const service = await startService(t)
  t.match((await ask(service)).json(), { status: 403, code: 'mail_disabled' })
  const mailing = await startMailing(t, await startSmtp(t))
  for (const email of ['mina', 'mina@', 'a@b@c.org', 'mina@example.org\r\nBcc: x@example.org']) {
    t.match((await ask(mailing, email)).json(), { status: 400 }, email)
  }
})

t.test('no token and no code is in the log, the metrics, the events or the tables', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, { ...WITH_PAGES, METRICS: 'public' })
  const { catchLogs } = await import('../support/logs.js')
  const takeLog = catchLogs(service.app)
  await register(service, 'mina', ADDRESS)
  await ask(service)
  await deliver(service)
  const { link, token, code } = newestGifts(server)
  await open(service, link)
  const { db, tables } = service.app.database
  const rows = [
    await outboxOf(service),
    await db.select().from(tables.oneTimeTokens),
    await db.select().from(tables.events),
  ]
  await reset(service, { email: ADDRESS, code: '00000000' })
  await reset(service, { token })
  rows.push(await db.select().from(tables.events))
  const seen = [takeLog(), JSON.stringify(rows), (await service.app.inject('/metrics')).body].join('\n')
  t.match(seen, /password_reset/)
  for (const secret of [token, token.slice(26), code, code.replace('-', '')]) t.notOk(seen.includes(secret))
})

function ask(service: Service, email = ADDRESS) {
  return service.post('/v1/password-reset/request', { email })
}

interface Mailed {
  token?: string
  email?: string
  code?: string
  totp?: string
  recovery_code?: string | undefined
}

function reset(service: Service, { token, email, code, totp, recovery_code }: Mailed, password = NEXT) {
  const proof = { ...(token ? { token } : { email, code }), totp, recovery_code }
  return service.post('/v1/password-reset', { ...proof, new_password: password })
}

async function mailsAfter(service: Service, server: Awaited<ReturnType<typeof startSmtp>>) {
  await deliver(service)
  return server.received.map(({ mail }) => mail.subject)
}
