import { setTimeout as sleep } from 'node:timers/promises'
import { isNotNull, sql } from 'drizzle-orm'
import t from 'tap'
import { countBy, PASSWORD, startService } from '../helper.js'
import { giftsOf } from '../mail/links.js'
import { outboxOf, SENDER, write } from '../mail/people.js'
import { startSmtp } from '../mail/servers.js'
import { serving } from '../support/child.js'
import { createDatabase, postgresSettings } from '../support/databases.js'
import { PostgresServer } from '../support/postgres-server.js'
import { until } from '../support/replica.js'
import { Latencies, repeatedly } from './latencies.js'
import { NO_POSTFIX, startPostfix } from './postfix.js'

t.setTimeout(300_000)

const MAILS = 1_000
/**
 * The number of mails that a process sends at once. Each of these may already be delivered when the process is killed.
 */
const AT_ONCE = 5
const NEXT = 'four louder lanterns'

t.test('if a process is killed while it sends 1,000 mails, all of them arrive, none more than twice', async (t) => {
  const database = await PostgresServer.create()
  t.teardown(() => database.remove())
  const smtp = await startSmtp(t)
  const settings = {
    ...postgresSettings(await createDatabase(t, database.url)),
    ...{ PUBLIC_URL: 'http://latchkey.test', LOGIN_THROTTLE: 'off', MAIL_NETWORK_LIMIT: '1000000' },
    ...{ MAIL_URL: `smtp://127.0.0.1:${smtp.port}`, MAIL_FROM: SENDER },
  }
  // This service does not listen, and therefore sends no mails.
  const writer = await startService(t, settings)
  const { db, tables } = writer.app.database
  const addresses = Array.from({ length: MAILS }, (_, n) => `person-${n}@example.org`)
  const now = Date.now()
  const people = addresses.map((email) => ({ email, emailKey: email, createdAt: now, updatedAt: now }))
  const rows = await db
    .insert(tables.users)
    .values(people)
    .returning({ id: tables.users.id, email: tables.users.email })
  for (const { id: userId, email } of rows) {
    await write(writer, { purpose: 'password_changed', address: String(email), userId })
  }
  const ids = new Set((await outboxOf(writer)).map(({ id }) => `<${id}@example.com>`))

  const startedAt = performance.now()
  const [killed, other] = await Promise.all([serving(t, { settings }), serving(t, { settings })])
  let isOver = false
  const latencies = new Latencies()
  let asked = 0
  const asking = repeatedly(
    1,
    () => isOver,
    async () => {
      asked += 1
      const body = { email: `nobody-${asked}@example.net` }
      await latencies.ask(() => other.request('POST', '/v1/password-reset/request', { body }))
      await sleep(100)
    },
  )
  await until(async () => smtp.received.length > MAILS / 3, 120_000)
  await killed.end()
  const before = smtp.received.length
  const open = () => db.$count(tables.outbox, isNotNull(tables.outbox.userId))
  const restMs = await until(async () => (await open()) <= AT_ONCE, 200_000)
  const held = await open()
  // Ends the two minutes for which a process may hold a claimed mail.
  await db.update(tables.outbox).set({ dueAt: sql`${tables.outbox.dueAt} - 120000` })
  await until(async () => (await open()) === 0, 60_000)
  isOver = true
  await asking
  const times = countBy(smtp.received, ({ mail }) => String(mail.messageId))
  const twice = Object.values(times).filter((count) => count === 2).length

  t.same(new Set(Object.keys(times)), ids, 'every mail arrived, and no other')
  t.ok(
    Object.values(times).every((count) => count <= 2),
    'none more than twice',
  )
  t.ok(twice <= AT_ONCE, `${twice} arrived twice`)
  const misdirected = smtp.received.filter(({ to, mail }) => to.length !== 1 || !mail.text?.includes('p***'))
  t.same(misdirected, [], 'each mail goes to one recipient')
  t.same(new Set(smtp.received.map(({ to }) => to[0])).size, MAILS)
  t.same([latencies.statuses, latencies.failures], [{ 202: asked }, []], 'every request is answered with 202')
  const sent = await db.$count(tables.events, sql`${tables.events.type} = 'mail.sent'`)
  t.equal(sent, MAILS, 'an audit event for each mail')
  t.comment(
    `${MAILS} mails in ${seconds(performance.now() - startedAt)}; killed after ${before}, the other sent the rest within ` +
      `${seconds(restMs)}; at most ${held} were in the killed one's hands, ${twice} arrived twice; requests meanwhile: ${latencies}`,
  )
  t.equal(await other.stop(), 0)
})

t.test('Postfix delivers the mails, and a rejected mail is logged as failed', { skip: NO_POSTFIX }, async (t) => {
  const postfix = await startPostfix(t)
  const settings = {
    MAIL_URL: `smtp://127.0.0.1:${postfix.port}`,
    MAIL_FROM: SENDER,
    PUBLIC_URL: 'https://id.example.com',
  }
  const service = await serving(t, { settings })
  for (const username of ['mina', 'gone']) {
    const body = { username, email: `${username}@example.org`, password: PASSWORD }
    t.equal((await service.request('POST', '/v1/register', { body })).status, 201)
    t.equal((await service.request('POST', '/v1/password-reset/request', { body: { email: body.email } })).status, 202)
  }
  await until(async () => (await postfix.inbox()).length > 0, 60_000)
  const [mail, ...others] = await postfix.inbox()
  t.same(others, [])
  if (mail === undefined) return
  t.match(mail.headers.get('delivered-to'), { text: 'mina@example.org' })
  t.equal(mail.subject, 'Set a new password for Example')
  const { link, token } = giftsOf({ mail })
  t.equal(link, `https://id.example.com/account/reset?token=${token}`)
  const reset = await service.request('POST', '/v1/password-reset', { body: { token, new_password: NEXT } })
  t.equal(reset.status, 204)
  const login = await service.request('POST', '/v1/login', { body: { username: 'mina', password: NEXT } })
  t.equal(login.status, 200)
  await until(async () => (await postfix.inbox()).length === 2, 60_000)
  await until(async () => service.log.some(({ msg }) => msg === 'a mail failed for good'), 60_000)
  t.match(
    service.log.filter(({ msg }) => msg === 'a mail failed for good'),
    [{ purpose: 'password_reset', reason: 'the server answers 550' }],
  )
  const log = await postfix.log()
  t.match(log, /status=sent \(delivered to maildir\)/)
  t.match(log, /TLS connection established|Anonymous TLS/, 'over STARTTLS')
  t.comment(
    log
      .split('\n')
      .filter((line) => /status=|reject:/.test(line))
      .join('\n'),
  )
  t.equal(await service.stop(), 0)
})

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`
}
