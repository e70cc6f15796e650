import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { definitionOf, PURPOSES, type Purpose } from '../../src/mail/purposes.js'
import { PASSWORD, type Person, type Service } from '../helper.js'
import { catchLogs } from '../support/logs.js'
import { signUpAdmin } from '../support/people.js'
import { routesOf } from '../support/router.js'
import { giftsOf, WITH_PAGES } from './links.js'
import { deliver, mailEvents, outboxOf, startMailing, write } from './people.js'
import { type MailServer, type Received, startSmtp } from './servers.js'

t.setTimeout(180_000)

const ORIGIN = 'https://login.example.com'
/** Attack: headers that change the host of a mailed link, so that the token is sent to the attacker. */
const EVIL = {
  host: 'evil.example',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'http',
  'x-forwarded-prefix': '/evil.example',
  forwarded: 'host=evil.example;proto=http',
  origin: 'https://evil.example',
}
const NEW_ADDRESS = 'new@example.org'
const PAGES_AT_MOST = 300

interface World {
  service: Service
  server: MailServer
  /** Registers a user with a confirmed address. */
  someone: (name: string) => Promise<Person>
}

/** Triggers each mail that contains a token or a code. */
const CAUSES: Record<string, (world: World) => Promise<unknown>> = {
  email_verification: ({ service }) => signUp(service, 'mina'),
  password_reset: async ({ service, someone }) => {
    await someone('joon')
    return service.post('/v1/password-reset/request', { email: 'joon@example.org' }, EVIL)
  },
  login: async ({ service, someone }) => {
    await someone('dave')
    return service.post('/v1/login/code/request', { email: 'dave@example.org' }, EVIL)
  },
  enrollment: async ({ service, someone }) => {
    const { id } = await someone('kim')
    const user = await service.app.accounts.get(id)
    const { ticket } = service.app.enrollments.refusal(user, 'pwd').extension ?? {}
    return service.post('/v1/login/enroll/code/request', { ticket }, EVIL)
  },
  email_change: async ({ someone }) => changeAddress(await someone('sora'), 'sora-new@example.org'),
  email_undo: async ({ service, server, someone }) => {
    const erin = await someone('erin')
    await changeAddress(erin, NEW_ADDRESS)
    await deliver(service)
    const { code } = giftsOf(mailTo(server, NEW_ADDRESS))
    return erin.post('/v1/email-verification/confirm', { email: NEW_ADDRESS, code }, EVIL)
  },
  invitation: async ({ service }) => {
    const boss = await signUpAdmin(service, 'boss')
    return boss.post('/v1/users', { email: 'guest@example.org', invite: true }, EVIL)
  },
}

t.test('every mail that holds a token or a code', async (t) => {
  const world = await start(t)
  const { service, server } = world
  const takeLog = catchLogs(service.app)
  for (const [purpose, cause] of Object.entries(CAUSES)) {
    const { statusCode, body } = (await cause(world)) as { statusCode: number; body: string }
    if (statusCode > 299) throw new Error(`${purpose}: ${statusCode} ${body}`)
    await deliver(service)
  }
  const sent = new Set((await mailEvents(service)).map((event) => event.replace(/^mail\.sent /, '')))
  const withToken = (Object.keys(PURPOSES) as Purpose[]).filter((name) => definitionOf(name).token !== undefined)
  t.same(
    withToken.filter((name) => !sent.has(name)),
    [],
    'every purpose with a token is sent here: add the cause of a new one to CAUSES',
  )
  const gifts = server.received.map(giftsOf).filter(({ token, code }) => token !== '' || code !== '')
  t.ok(gifts.length >= withToken.length)

  t.test('mails link to PUBLIC_URL, whatever host a request names', async (t) => {
    for (const { raw, mail, to } of server.received) {
      t.notMatch(raw, /evil/, String(mail.subject))
      t.equal(to.length, 1)
    }
    t.ok(gifts.every(({ link }) => link === '' || link.startsWith(`${ORIGIN}/account/`)))
  })

  t.test('a scanner that opens every link and page, and sends every form as it stands, uses nothing up', async (t) => {
    const links: string[] = []
    for (const { link } of gifts) if (link !== '' && (await get(service, link)).statusCode === 200) links.push(link)
    t.equal(links.length, withToken.filter((name) => definitionOf(name).page !== undefined).length)
    const pages = routesOf(service.app)
      .filter(({ method, path }) => method === 'GET' && /^\/(account|authorize)\b/.test(path))
      .map(({ path }) => ORIGIN + path.replace(/:\w+/g, '1').replace('*', 'x'))
    const before = await stateOf(service)
    t.ok(before.tokens.length >= withToken.length, 'there are tokens to use up')
    for (const headers of [{}, { 'sec-fetch-site': 'same-origin', origin: ORIGIN }]) {
      const { opened, posted } = await crawl(service, [...links, ...pages], headers)
      t.ok(opened >= links.length + pages.length && posted >= links.length, `${opened} opened, ${posted} forms sent`)
      t.same(await stateOf(service), before, 'nothing is used up, confirmed, changed or begun')
    }
    for (const link of links) t.equal((await get(service, link)).statusCode, 200, 'each link still works')
  })

  t.test('the tokens and codes of mails are in no log, metric, event or table', async (t) => {
    const { db, tables } = service.app.database
    // A mail that is not sent yet, although its token exists.
    await db.update(tables.throttle).set({ until: 0 })
    await service.post('/v1/password-reset/request', { email: 'joon@example.org' })
    const tablesNow = [tables.outbox, tables.oneTimeTokens, tables.events, tables.sessions, tables.throttle]
    const rows = await Promise.all(tablesNow.map((table) => db.select().from(table as typeof tables.events)))
    const metrics = (await service.app.inject('/metrics')).body
    const seen = [takeLog(), JSON.stringify(rows), metrics].join('\n')
    t.match(metrics, /mails_total\{purpose="login",result="sent"\} 1/)
    t.match(seen, /\/account\/reset/, 'the log was captured')
    for (const { token, code } of gifts) {
      for (const secret of [token, token.slice(26), code, code.replace('-', '')].filter((text) => text !== '')) {
        t.notOk(seen.includes(secret))
      }
    }
    t.notMatch(metrics, /example\.org|mina|joon/)
  })
})

t.test('names and addresses cannot add a header or a recipient to a mail', async (t) => {
  const { service, server } = await start(t)
  const { db, tables } = service.app.database
  const { id } = (await signUp(service, 'mina')).json().user
  await deliver(service)
  server.received.length = 0
  const hostile = 'x\r\nBcc: thief@example.net\r\n\r\n<script>'
  const refused = await service.post('/v1/register', { username: hostile, email: 'x@example.org', password: PASSWORD })
  t.equal(refused.statusCode, 400)
  const endpoints = ['/v1/password-reset/request', '/v1/login/code/request', '/v1/email-verification']
  const addresses = ['a@example.org, b@example.org', 'a@example.org\r\nBcc: b@example.org', 'x <b@example.org>']
  for (const email of [...addresses, 'a@example.org;b@example.org', '"a,b"@example.org', 'a@example.org\0']) {
    for (const endpoint of endpoints)
      t.equal((await service.post(endpoint, { email })).statusCode, 400, `${endpoint} ${email}`)
    t.equal((await service.post('/v1/register', { email, password: PASSWORD })).statusCode, 400, email)
  }
  t.same(await outboxOf(service), [])

  // An import, or another writer to the table, can store texts that no endpoint accepts.
  const send = async (changes: { username?: string; name?: string; email?: string }, address: string) => {
    await db
      .update(tables.users)
      .set({ ...changes, ...(changes.email && { emailKey: address }) })
      .where(eq(tables.users.id, id))
    for (const purpose of ['password_reset', 'password_changed', 'email_changed'] as const)
      await write(service, { purpose, address, userId: id })
    await deliver(service)
  }
  await send({ username: hostile, name: hostile }, 'mina@example.org')
  t.equal(server.received.length, 3)
  for (const { to, mail, raw } of server.received) {
    t.same(to, ['mina@example.org'])
    t.notMatch(raw, /^Bcc:/im)
    t.same([mail.bcc, mail.cc], [undefined, undefined])
    t.notMatch(mail.html, /<script>/)
  }
  server.received.length = 0
  for (const email of addresses) await send({ email }, email)
  t.same(
    server.received.flatMap(({ to }) => to),
    [],
    'a value that is not exactly one address gets no mail',
  )
  t.same(await outboxOf(service), [])
})

async function start(t: Test): Promise<World> {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, {
    ...{ ...WITH_PAGES, EMAIL_VERIFICATION: 'optional', EMAIL_LOGIN: 'on', METRICS: 'public' },
    ...{ MAIL_ADDRESS_LIMIT: '100', MAIL_NETWORK_LIMIT: '1000' },
  })
  const { db, tables } = service.app.database
  return {
    service,
    server,
    async someone(name) {
      await signUp(service, name)
      await db.update(tables.users).set({ emailVerifiedAt: 1 }).where(eq(tables.users.username, name))
      return service.logIn(name)
    },
  }
}

function signUp(service: Service, username: string) {
  const body = { username, email: `${username}@example.org`, password: PASSWORD }
  return service.post('/v1/register', body, EVIL)
}

function changeAddress(person: Person, email: string) {
  return person.patch('/v1/me', { email, current_password: PASSWORD }, EVIL)
}

function mailTo({ received }: MailServer, address: string): Received {
  const mail = received.findLast(({ to }) => to[0] === address)
  if (mail === undefined) throw new Error(`no mail to ${address}`)
  return mail
}

/** Everything that the use of a mailed token would change. */
async function stateOf({ app }: Service) {
  const { db, tables } = app.database
  const { users, oneTimeTokens, sessions, outbox } = tables
  return {
    users: await db.select().from(users).orderBy(users.id),
    tokens: await db.select().from(oneTimeTokens).orderBy(oneTimeTokens.id),
    sessions: await db.select().from(sessions).orderBy(sessions.id),
    mails: await db.$count(outbox),
  }
}

/** Opens these addresses and all that they link to, and submits every form unchanged. */
async function crawl(service: Service, start: string[], headers: Record<string, string>) {
  const queue = [...start]
  const met = new Set(queue)
  let posted = 0
  const meet = (html: string, base: string) => {
    for (const [, href = ''] of html.matchAll(/<a\b[^>]*\bhref="([^"]*)"/g)) {
      const { href: found, origin } = new URL(unescaped(href), base)
      if (origin !== ORIGIN || met.has(found)) continue
      met.add(found)
      queue.push(found)
    }
  }
  for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
    if (met.size > PAGES_AT_MOST) throw new Error('the pages have no end')
    const page = await get(service, url, headers)
    if (!String(page.headers['content-type']).startsWith('text/html')) continue
    meet(page.body, url)
    for (const [, attributes = '', inside = ''] of page.body.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)) {
      posted += 1
      meet((await send(service, { attributes, inside, base: url, headers })).body, url)
    }
  }
  return { opened: met.size, posted }
}

function get({ app }: Service, url: string, headers: Record<string, string> = {}) {
  const { pathname, search } = new URL(url)
  return app.inject({ method: 'GET', url: pathname + search, headers })
}

interface Form {
  attributes: string
  inside: string
  base: string
  headers: Record<string, string>
}

function send({ app }: Service, { attributes, inside, base, headers }: Form) {
  const fields = new URLSearchParams()
  for (const [, tag = ''] of inside.matchAll(/<(?:input|button)\b([^>]*)>/g)) {
    const name = attributeOf(tag, 'name')
    const isTicked = !/type="(checkbox|radio)"/.test(tag) || /\bchecked\b/.test(tag)
    if (name !== '' && isTicked) fields.append(name, attributeOf(tag, 'value'))
  }
  const { pathname, search } = new URL(attributeOf(attributes, 'action'), base)
  if (!/method="post"/i.test(attributes)) return app.inject({ method: 'GET', url: `${pathname}?${fields}`, headers })
  return app.inject({
    ...{ method: 'POST', url: pathname + search, payload: fields.toString() },
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
  })
}

function attributeOf(tag: string, name: string): string {
  return unescaped(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '')
}

function unescaped(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))).replaceAll('&amp;', '&')
}
