// On SQLite alone: the requests to other services do not depend on the database.

import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { PASSWORD, type Service, startService } from '../helper.js'
import { formsOf, newestGifts, open, submit, WITH_PAGES } from '../mail/links.js'
import { deliver, outboxOf, startMailing } from '../mail/people.js'
import { startSmtp } from '../mail/servers.js'
import { installation } from '../support/installation.js'

t.setTimeout(120_000)

const LEAKED = 'three leaked lanterns'
const NEXT = 'four louder lanterns'
const REFUSED = { status: 400, code: 'password_rejected', detail: /known from a breach/ }
/** Of the ports that the standard of fetch blocks; those of test/process/commands.test.ts are others. */
const BLOCKED_PORTS = [1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061]
const SECRET = Buffer.alloc(32, 7)

t.test('a breached password is rejected wherever one is set; only five characters of its hash are sent', async (t) => {
  const ranges = await startRanges(t)
  const server = await startSmtp(t)
  const settings = { PASSWORD_BREACH_URL: ranges.url, COMPAT_WEAK_PASSWORDS: 'off', METRICS: 'public' }
  const service = await startMailing(t, server, { ...WITH_PAGES, ...settings })
  const register = (password: string) =>
    service.post('/v1/register', { username: 'mina', email: 'mina@example.org', password })
  t.match((await register(LEAKED)).json(), REFUSED)
  t.equal((await register(PASSWORD)).statusCode, 201)
  const tutorial = { name: 'joon', email: 'joon@example.org', password: LEAKED }
  const signUp = await service.app.inject({ method: 'POST', url: '/register', payload: tutorial })
  t.match(signUp.payload, /known from a breach/, 'the sign-up of a tutorial rejects the password too')

  const mina = await service.logIn('mina')
  const change = { current_password: PASSWORD, new_password: LEAKED }
  t.match((await mina.post('/v1/me/password', change)).json(), REFUSED)
  await service.post('/v1/password-reset/request', { email: 'mina@example.org' })
  await deliver(service)
  const { link, token, code } = newestGifts(server)
  t.match((await service.post('/v1/password-reset', { token, new_password: LEAKED })).json(), REFUSED)
  const byCode = { email: 'mina@example.org', code, new_password: LEAKED }
  t.match((await service.post('/v1/password-reset', byCode)).json(), REFUSED)
  const [form] = formsOf((await open(service, link)).body)
  t.equal((await submit(service, form?.action ?? '', { ...form?.fields, new_password: LEAKED })).statusCode, 400)
  t.equal((await service.post('/v1/password-reset', { token, new_password: NEXT })).statusCode, 204)

  const { app } = service
  await app.registration.create(
    { email: 'sora@example.org' },
    { finish: (user, db) => app.invitations.invite(db, user, { id: null }) },
  )
  await deliver(service)
  const invitation = newestGifts(server).token
  t.match((await service.post('/v1/invitations/accept', { token: invitation, password: LEAKED })).json(), REFUSED)
  t.equal((await service.post('/v1/invitations/accept', { token: invitation, password: NEXT })).statusCode, 200)

  const prefix = sha1(LEAKED).slice(0, 5)
  t.equal(ranges.asked.filter((path) => path === `/range/${prefix}`).length, 7, 'one lookup for each rejected password')
  t.ok(ranges.asked.every((path) => /^\/range\/[0-9A-F]{5}$/.test(path)))
  const metrics = (await app.inject('/metrics')).body
  t.match(metrics, /password_breach_checks_total\{result="breached"\} 7/)
  const taken = ranges.asked.length
  await service.logIn('mina', NEXT)
  t.equal(ranges.asked.length, taken, 'a log-in makes no lookup')
})

t.test('the command line rejects a breached password', async (t) => {
  const ranges = await startRanges(t)
  const { app } = await startService(t, { PASSWORD_BREACH_URL: ranges.url })
  await t.rejects(app.registration.create({ username: 'boss', password: LEAKED }), { code: 'password_rejected' })
})

t.test('a new password is accepted when the breach service hangs, fails or sends nonsense', async (t) => {
  const answers: Record<string, (response: ServerResponse) => void> = {
    hangs: () => {},
    'hangs in the middle': (response) => void response.writeHead(200).write(`${'0'.repeat(35)}:1\r\n`),
    'answers 500': (response) => void response.writeHead(500).end(rangeOf(LEAKED)),
    'answers 404': (response) => void response.writeHead(404).end(rangeOf(LEAKED)),
    'is a page': (response) => void response.writeHead(200).end('<html>Log in to the Wi-Fi</html>'),
    'is empty': (response) => void response.writeHead(200).end(),
    'leads elsewhere': (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    'never ends': (response) => {
      const line = `${'0'.repeat(35)}:1\r\n`.repeat(1_000)
      const write = () => {
        while (!response.destroyed && response.write(line)) {}
      }
      response.on('drain', write)
      write()
    },
    'hangs up': (response) => void response.socket?.destroy(),
  }
  let answer = answers.hangs as (response: ServerResponse) => void
  const { url } = await startHttp(t, (_request, response) => answer(response))
  const service = await startService(t, { PASSWORD_BREACH_URL: `${url}/range`, METRICS: 'public' })
  for (const [index, [name, how]] of Object.entries(answers).entries()) {
    answer = how
    const { statusCode } = await service.post('/v1/register', { username: `person-${index}`, password: LEAKED })
    t.equal(statusCode, 201, name)
  }
  const away = await startService(t, { PASSWORD_BREACH_URL: 'http://127.0.0.1:1/range' })
  t.equal(
    (await away.post('/v1/register', { username: 'mina', password: LEAKED })).statusCode,
    201,
    'nothing listens at the address',
  )
  const failed = /password_breach_checks_total\{result="failed"\} (\d+)/.exec(
    (await service.app.inject('/metrics')).body,
  )
  t.equal(Number(failed?.[1]), Object.keys(answers).length + 1)
})

t.test('a padding entry of the breach service does not count as a breach', async (t) => {
  const { url } = await startHttp(t, (_request, response) => {
    response.writeHead(200).end(`${'0'.repeat(35)}:7\r\n${sha1(LEAKED).slice(5)}:0`)
  })
  const service = await startService(t, { PASSWORD_BREACH_URL: url })
  t.equal((await service.post('/v1/register', { username: 'mina', password: LEAKED })).statusCode, 201)
})

t.test('the sign-up check gets one signed request, and can refuse before anything is stored or mailed', async (t) => {
  const posts: { headers: IncomingMessage['headers']; body: string }[] = []
  let status = 204
  const { url } = await startHttp(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    posts.push({ headers: request.headers, body })
    if (status > 0) response.writeHead(status, { location: '/elsewhere' }).end()
  })
  const server = await startSmtp(t)
  const service = await startMailing(t, server, {
    ...{ ...WITH_PAGES, SIGNUP_CHECK_URL: `${url}/check`, EMAIL_VERIFICATION: 'required' },
    MAIL_WEBHOOK_SECRET: `whsec_${SECRET.toString('base64')}`,
  })
  const register = (username: string) =>
    service.post('/v1/register', { username, email: `${username}@example.org`, locale: 'ko', password: PASSWORD })
  t.equal((await register('mina')).statusCode, 202)
  t.equal(posts.length, 1)
  const { headers = {}, body = '' } = posts[0] ?? {}
  t.match(JSON.parse(body), {
    type: 'signup.check',
    data: { username: 'mina', email: 'mina@example.org', locale: 'ko', ip: '127.0.0.1', user_agent: 'lightMyRequest' },
  })
  t.notMatch(body, PASSWORD)
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  t.equal(headers['webhook-signature'], `v1,${createHmac('sha256', SECRET).update(signed).digest('base64')}`)
  const before = await rowsOf(service)

  status = 403
  t.match((await register('joon')).json(), { status: 403, code: 'signup_refused' })
  for (const answer of [302, 400, 404, 500, 0]) {
    status = answer
    const refusal = await register(`joon-${answer}`)
    t.match(refusal.json(), { status: 503, code: 'signup_check_unavailable' }, String(answer))
    t.equal(refusal.headers['retry-after'], '1')
  }
  t.same(await rowsOf(service), before, 'no account and no mail')
  t.equal(posts.length, 7, 'no redirect is followed')
  t.equal(
    (await service.post('/v1/register', { username: 'weak', email: 'w@example.org', password: '1' })).statusCode,
    400,
  )
  t.equal((await service.post('/v1/login', { username: 'x', password: PASSWORD })).statusCode, 401)
  t.equal(posts.length, 7, 'a request that is rejected anyway is not checked')
})

t.test('outside services are asked on a port that browsers and fetch refuse', async (t) => {
  let asked = 0
  const { url } = await startHttp(
    t,
    (request, response) => {
      asked += 1
      response.writeHead(200).end(request.method === 'GET' ? rangeOf(LEAKED) : '')
    },
    BLOCKED_PORTS,
  )
  await t.rejects(fetch(url), { cause: { message: 'bad port' } })
  const service = await startService(t, { PASSWORD_BREACH_URL: url, SIGNUP_CHECK_URL: url })
  const register = (password: string) => service.post('/v1/register', { username: 'mina', password })
  t.match((await register(LEAKED)).json(), REFUSED)
  t.equal((await register(PASSWORD)).statusCode, 201)
  t.equal(asked, 3, 'two ranges, and the sign-up that was not refused before')
})

t.test('outside checks are off by default; SIGNUP_CHECK_URL must be https, and its path is masked', async (t) => {
  const service = await startService(t)
  const { PASSWORD_BREACH_URL, SIGNUP_CHECK_URL } = service.app.config
  t.same([PASSWORD_BREACH_URL, SIGNUP_CHECK_URL], ['', ''])
  for (const bad of ['http://check.example.com/', 'https://u:p@example.com/', 'ftp://x', 'https://example.com/#x']) {
    t.throws(() => loadConfig({ SIGNUP_CHECK_URL: bad }), /SIGNUP_CHECK_URL must be an https address[^"]*$/, bad)
  }
  const { run } = await installation(t)
  const shown = await run(['config'], { SIGNUP_CHECK_URL: 'https://check.example.com/secret-path' })
  t.match(shown.stdout, 'SIGNUP_CHECK_URL=https://check.example.com/********')
})

/** Listens on the first of these ports that is free. */
async function startHttp(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  ports: readonly number[] = [0],
) {
  const server = createServer(answer)
  for (const port of ports) {
    await once(server.listen(port, '127.0.0.1'), 'listening').catch(() => {})
    if (server.listening) break
  }
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** Starts a service for breached passwords that knows only the leaked one. */
async function startRanges(t: Test) {
  const asked: string[] = []
  const { url } = await startHttp(t, (request, response) => {
    asked.push(String(request.url))
    const isOfRange = request.url === `/range/${sha1(LEAKED).slice(0, 5)}`
    response.writeHead(200).end(isOfRange ? rangeOf(LEAKED) : `${'1'.repeat(35)}:3`)
  })
  return { url: `${url}/range`, asked }
}

function rangeOf(password: string): string {
  return [`${'0'.repeat(35)}:12`, `${sha1(password).slice(5)}:52579`, `${'F'.repeat(35)}:0`].join('\r\n')
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex').toUpperCase()
}

async function rowsOf(service: Service) {
  const { db, tables } = service.app.database
  return [await db.$count(tables.users), (await outboxOf(service)).length, await db.$count(tables.throttle)]
}
