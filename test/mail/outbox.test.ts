import t from 'tap'
import { mails } from '../../src/telemetry/channels.js'
import { PASSWORD, startService } from '../helper.js'
import { hearStatements } from '../support/statements.js'
import { deliver, letTimePass, mailEvents, outboxOf, register, SENDER, startMailing, write } from './people.js'
import { startRaw, startSmtp } from './servers.js'

t.setTimeout(120_000)

t.test('a mail is written in the transaction of its change, and sent once, to its account only', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const userId = await register(service, 'mina', 'Mina@Example.org')
  await write(service, { purpose: 'password_changed', address: 'mina@example.org', userId })
  const [row] = await outboxOf(service)
  t.match(row, { purpose: 'password_changed', address: 'mina@example.org', userId, attempts: 0 })
  t.equal(server.connections, 0, 'writing a mail does not connect to the mail server')

  await deliver(service)
  t.same(await outboxOf(service), [])
  const [mail, ...others] = server.received
  t.same(others, [])
  t.same([mail?.from, mail?.to], ['no-reply@example.com', ['Mina@example.org']])
  t.match(mail?.mail.from?.value, [{ name: 'Example', address: 'no-reply@example.com' }])
  t.equal(mail?.mail.messageId, `<${row?.id}@example.com>`)
  t.equal(mail?.mail.subject, 'Your password for Example was changed')
  t.match(mail?.mail.text, /the account mina at Example was changed at \d{4}-\d\d-\d\d \d\d:\d\d UTC/)
  t.match(mail?.mail.html, /<p>The password of the account mina at Example/)
  t.equal(mail?.mail.headers.get('auto-submitted'), 'auto-generated')
  t.same(await mailEvents(service), ['mail.sent password_changed'])
  await deliver(service)
  t.equal(server.received.length, 1)
})

t.test('a change that is rolled back sends no mail', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const userId = await register(service, 'mina', 'mina@example.org')
  const { database, mail } = service.app
  const deed = database.transaction(async (db) => {
    await mail.outbox.notify(db, 'password_changed', { id: userId, email: 'mina@example.org' })
    throw new Error('not done')
  })
  await t.rejects(deed, /not done/)
  t.same(await outboxOf(service), [])
})

t.test('where mail is off, no mail is written and no delivery runs', async (t) => {
  const service = await startService(t)
  t.equal(service.app.mail.delivery, undefined)
  t.equal(service.app.mail.outbox.isOn, false)
  await write(service, { purpose: 'account_exists', address: 'mina@example.org' })
  const request = { purpose: 'account_exists', address: 'mina@example.org' } as const
  await t.rejects(service.app.mail.outbox.request(request, '192.0.2.1'), { code: 'mail_disabled' })
  t.same(await outboxOf(service), [])
})

t.test('a request for an unknown address writes the same row as for a known one, and sends no mail', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', 'mina@example.org')
  const { outbox } = service.app.mail
  for (const address of ['MINA@example.org', 'nobody@example.org']) {
    await outbox.request({ purpose: 'account_exists', address, locale: 'ko' }, '192.0.2.1')
  }
  const rows = await outboxOf(service)
  t.same(
    rows.map(({ purpose, userId, locale, attempts }) => ({ purpose, userId, locale, attempts })),
    Array(2).fill({ purpose: 'account_exists', userId: null, locale: 'ko', attempts: 0 }),
  )
  await deliver(service)
  t.same(
    server.received.map(({ to }) => to),
    [['mina@example.org']],
  )
  t.equal(server.received[0]?.mail.subject, 'Example에 이미 계정이 있습니다')
  t.same((await mailEvents(service)).sort(), ['mail.dropped account_exists', 'mail.sent account_exists'])
})

t.test('a mail is dropped if its account has changed the address; a notice goes to the old address', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const userId = await register(service, 'mina', 'new@example.org')
  await write(service, { purpose: 'password_reset', address: 'old@example.org', userId })
  await write(service, { purpose: 'email_changed', address: 'old@example.org', userId })
  await deliver(service)
  t.same(
    server.received.map(({ to, mail }) => [to, mail.subject]),
    [[['old@example.org'], 'The address of your account at Example was changed']],
  )
})

t.test('requests for known and unknown addresses run the same statements and take from the same budgets', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', 'mina@example.org')
  const { outbox } = service.app.mail
  const { throttle } = service.app.database.tables
  const count = async () => (await service.app.database.db.select().from(throttle)).length
  const before = await count()
  const take = await hearStatements(t)
  await outbox.request({ purpose: 'account_exists', address: 'mina@example.org' }, '192.0.2.1')
  const ofKnown = take()
  const known = (await count()) - before
  take()
  await outbox.request({ purpose: 'account_exists', address: 'nobody@example.org' }, '192.0.2.2')
  const ofUnknown = take()
  t.ok(ofKnown.length >= 3, 'the statements were recorded')
  t.same(ofUnknown, ofKnown)
  t.same([known, (await count()) - before], [2, 4], 'one budget for the network and one for the address')
  const keys = (await service.app.database.db.select().from(throttle)).map(({ key }) => key).join()
  t.notMatch(keys, /mina|nobody|192\.0\.2/, 'the keys hide addresses')
})

t.test('three mails an hour go to an address and twenty for a network; further requests get no mail', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const { outbox } = service.app.mail
  const ask = (address: string, ip: string) => outbox.request({ purpose: 'account_exists', address }, ip)
  await Promise.all(Array.from({ length: 8 }, (_, i) => ask(i % 2 ? 'A@example.org' : 'a@example.org', `192.0.2.${i}`)))
  t.equal((await outboxOf(service)).length, 3)
  await Promise.all(Array.from({ length: 30 }, (_, i) => ask(`b${i}@example.org`, '198.51.100.7')))
  t.equal((await outboxOf(service)).length, 3 + 20)
  await ask('c@example.org', '198.51.100.8')
  t.equal((await outboxOf(service)).length, 3 + 20 + 1, 'another network has its own budget')

  const { db, tables } = service.app.database
  await db.update(tables.throttle).set({ until: 0 })
  await ask('a@example.org', '198.51.100.7')
  t.equal((await outboxOf(service)).length, 3 + 20 + 1 + 1, 'an hour later')
})

t.test('a stranger who uses up the budget of an address does not suppress the notices to its owner', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, { MAIL_ADDRESS_LIMIT: '1' })
  const userId = await register(service, 'mina', 'mina@example.org')
  const { database, mail } = service.app
  for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
    await mail.outbox.request({ purpose: 'account_exists', address: 'mina@example.org' }, ip)
  }
  await database.transaction((db) =>
    mail.outbox.notify(db, 'password_changed', { id: userId, email: 'mina@example.org' }),
  )
  t.same((await outboxOf(service)).map(({ purpose }) => purpose).sort(), ['account_exists', 'password_changed'])
})

t.test('after a 4xx answer a mail is retried, with a growing pause and the same Message-ID', async (t) => {
  let isBusy = true
  const server = await startSmtp(t, {
    onRcptTo: (_address, _session, callback) =>
      callback(isBusy ? Object.assign(new Error('later'), { responseCode: 450 }) : null),
  })
  const service = await startMailing(t, server)
  const userId = await register(service, 'mina', 'mina@example.org')
  await write(service, { purpose: 'password_changed', address: 'mina@example.org', userId })
  const heard: string[] = []
  t.teardown(mails.subscribe(({ result }) => heard.push(result)))
  const [first] = await outboxOf(service)
  const pauses: number[] = []
  for (let attempt = 1; attempt <= 8; attempt += 1) {
    await deliver(service)
    const [row] = await outboxOf(service)
    t.equal(row?.attempts, attempt)
    pauses.push(Math.round((Number(row?.dueAt) - Date.now()) / 60_000))
    await deliver(service)
    t.equal((await outboxOf(service))[0]?.attempts, attempt, 'not before it is due')
    await letTimePass(service)
  }
  t.same(pauses, [1, 2, 4, 8, 16, 32, 60, 60])
  isBusy = false
  await deliver(service)
  t.equal(server.received[0]?.mail.messageId, `<${first?.id}@example.com>`)
  t.same(heard, [...Array(8).fill('delayed'), 'sent'])
  t.same(await mailEvents(service), ['mail.sent password_changed'])
})

t.test('a 5xx answer to a mail fails it for good; a 5xx answer to the connection or the log-in does not', async (t) => {
  const cases: [string, Parameters<typeof startSmtp>[1], string[], number][] = [
    [
      'RCPT 550',
      { onRcptTo: (_a, _s, done) => done(refusal(550)) },
      ['mail.failed password_changed: the server answers 550'],
      0,
    ],
    [
      'MAIL 553',
      { onMailFrom: (_a, _s, done) => done(refusal(553)) },
      ['mail.failed password_changed: the server answers 553'],
      0,
    ],
    ['MAIL 530', { onMailFrom: (_a, _s, done) => done(refusal(530)) }, [], 1],
    [
      'DATA 554',
      { onData: (stream, _s, done) => void stream.resume().on('end', () => done(refusal(554))) },
      ['mail.failed password_changed: the server answers 554'],
      0,
    ],
    ['DATA 451', { onData: (stream, _s, done) => void stream.resume().on('end', () => done(refusal(451))) }, [], 1],
    ['CONNECT 554', { onConnect: (_s, done) => done(refusal(554)) }, [], 1],
    [
      'AUTH 535',
      { disabledCommands: ['STARTTLS'], allowInsecureAuth: true, onAuth: (_a, _s, done) => done(refusal(535)) },
      [],
      1,
    ],
  ]
  for (const [name, options, events, left] of cases) {
    const server = await startSmtp(t, options)
    const user = options?.onAuth === undefined ? '' : 'user:pa%20ss@'
    const service = await startMailing(t, server, { MAIL_URL: `smtp://${user}127.0.0.1:${server.port}` })
    const userId = await register(service, 'mina', 'mina@example.org')
    await write(service, { purpose: 'password_changed', address: 'mina@example.org', userId })
    await deliver(service)
    t.same(await mailEvents(service), events, name)
    t.equal((await outboxOf(service)).length, left, name)
  }
})

t.test('after a mail server refuses, breaks off or never answers, the mail is tried again later', async (t) => {
  const dead = await startRaw(t, (socket) => socket.destroy())
  const stops = await startRaw(t, (socket) => {
    socket.write('220 hello\r\n')
    socket.on('data', (data) => (/^EHLO/.test(data.toString()) ? socket.write('250 ok\r\n') : socket.destroy()))
  })
  // Sends no greeting, for which a client waits up to ten seconds: the end of the process aborts the delivery.
  let reached = () => {}
  const silent = await startRaw(t, () => reached())
  for (const port of [1, dead, stops, silent]) {
    const service = await startService(t, { MAIL_URL: `smtp://127.0.0.1:${port}`, MAIL_FROM: SENDER })
    const userId = await register(service, 'mina', 'mina@example.org')
    await write(service, { purpose: 'password_changed', address: 'mina@example.org', userId })
    const isConnected = new Promise<void>((resolve) => {
      reached = resolve
    })
    if (port === silent) {
      service.app.mail.delivery?.start()
      await isConnected
      await service.app.mail.delivery?.stop(0)
    } else await deliver(service)
    const [row] = await outboxOf(service)
    t.ok(Number(row?.attempts) >= 1)
    if (port === silent) t.ok(Number(row?.dueAt) <= Date.now(), 'another process can send it at once')
    t.same(await mailEvents(service), [])
  }
})

t.test('a mail that has waited for too long is not sent', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const userId = await register(service, 'mina', 'mina@example.org')
  await write(service, { purpose: 'account_exists', address: 'mina@example.org', userId })
  const { db, tables } = service.app.database
  await db.update(tables.outbox).set({ createdAt: Date.now() - 25 * 3_600_000 })
  await deliver(service)
  t.equal(server.connections, 0)
  t.same(await mailEvents(service), ['mail.failed account_exists: too late'])
})

t.test('when two processes deliver at once, each mail is sent once', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const { startSecond } = await import('../support/replica.js')
  const second = await startSecond(t, service)
  const userId = await register(service, 'mina', 'mina@example.org')
  for (let i = 0; i < 40; i += 1) {
    await write(service, { purpose: 'password_changed', address: 'mina@example.org', userId })
  }
  await Promise.all([deliver(service), deliver(second)])
  t.equal(server.received.length, 40)
  t.equal(new Set(server.received.map(({ mail }) => mail.messageId)).size, 40)
})

t.test('an expired claim can neither postpone nor remove its mail', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const userId = await register(service, 'mina', 'mina@example.org')
  await write(service, { purpose: 'password_changed', address: 'mina@example.org', userId })
  const { outbox } = service.app.mail
  const [slow] = await outbox.claim(5)
  t.same(await outbox.claim(5), [], 'a claimed mail cannot be claimed again')
  await letTimePass(service)
  const [next] = await outbox.claim(5)
  t.equal(next?.id, slow?.id)
  if (slow === undefined) throw new Error('nothing was claimed')
  await outbox.postpone(slow, 0)
  t.same(await outbox.claim(5), [])
  t.equal(await service.app.database.transaction((db) => outbox.remove(db, slow)), false)
})

t.test('neither the address nor the user name of a mail is in the log or the events', async (t) => {
  const server = await startSmtp(t, { onRcptTo: ({ address }, _s, done) => done(refusal(450, `no ${address}`)) })
  const service = await startMailing(t, server)
  const { catchLogs } = await import('../support/logs.js')
  const userId = await register(service, 'mina', 'mina@example.org')
  const takeLog = catchLogs(service.app)
  await write(service, { purpose: 'password_changed', address: 'mina@example.org', userId })
  await deliver(service)
  const log = takeLog()
  t.match(log, /a mail is delayed/)
  t.match(log, /the server answers 450/)
  t.notMatch(log, /mina|example\.org/)
  t.notMatch(log, new RegExp(PASSWORD))
})

function refusal(responseCode: number, message = 'no'): Error {
  return Object.assign(new Error(message), { responseCode })
}
