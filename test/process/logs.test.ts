// On SQLite alone: the processes run on a SQLite file.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'
import { PASSWORD, temporaryFolder } from '../helper.js'
import { Child, serving } from '../support/child.js'
import { exchange, lastRequest } from '../support/wire.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const withoutFull = existsSync('/dev/full') ? false : 'no /dev/full here'

t.test('the log has one JSON line for each request, and nothing that a user sent in confidence', async (t) => {
  const service = await serving(t, { settings: { LOG_LEVEL: 'trace' } })
  const credentials = { username: 'mina', password: PASSWORD }
  const { body: first } = await service.request('POST', '/v1/register', { body: credentials })
  const { body: second } = await service.request('POST', '/v1/login', { body: credentials })
  const { body: third } = await service.request('POST', '/v1/refresh', {
    body: { refresh_token: second.refresh_token },
  })
  const wrong = 'a wrong but telling guess'
  await service.request('POST', '/v1/login', { body: { username: 'mina', password: wrong } })
  await service.request('POST', '/v1/token', { body: credentials })
  await service.request('POST', '/v1/login', { body: { ...credentials, [wrong]: 1 } })
  await service.request('POST', '/v1/refresh', { body: { refresh_token: `${third.refresh_token}x` } })
  const token = third.access_token
  await service.request('POST', '/v1/todos', { token, body: { title: 'a private matter' } })
  await service.request('GET', `/v1/todos?done=false&cursor=a-cursor-in-the-query`, { token })
  await service.request('GET', `/v1/me?access_token=${token}`)
  await service.request('GET', `/nowhere/${wrong}?password=${PASSWORD}`)
  await service.request('GET', '/v1/me', { token: `${token}x` })
  await service.request('POST', '/v1/logout', { token })
  const log = await logOf(service)

  const requests = log.filter(({ method }) => method !== undefined)
  t.equal(requests.length, 13)
  for (const line of requests)
    t.match(line, { request_id: String, status: Number, ms: Number, ip: /^(127\.0\.0\.1|::1)$/ })
  t.equal(new Set(requests.map(({ request_id }) => request_id)).size, requests.length)
  t.ok(requests.some((line) => line.route === '/v1/todos' && line.user_id === first.user.id))

  const secret = (await readFile(join(service.folder, 'data', 'latchkey.db.secret'), 'utf8')).trim()
  const tokens = [first, second, third].flatMap((login) => [login.access_token, login.refresh_token])
  const signatures = tokens.map((token: string) => token.split('.').at(-1))
  const sent = [PASSWORD, wrong, 'a private matter', 'a-cursor-in-the-query', 'access_token', '?', '$bcrypt']
  for (const text of [secret, ...tokens, ...signatures, ...sent]) {
    t.notOk(service.stdout.includes(text), `${text.slice(0, 30)} is not in the log`)
    t.notOk(service.stderr.includes(secret))
  }
})

t.test('a request cannot forge a line of the log', async (t) => {
  const [service, trusting] = await Promise.all([
    serving(t, { settings: { LOG_LEVEL: 'trace' } }),
    serving(t, { settings: { LOG_LEVEL: 'trace', TRUST_PROXY: '127.0.0.1,::1' } }),
  ])
  const forged = '\n{"level":60,"msg":"forged"}\n'
  const control = '\u001b[31mred\u0000\r'
  for (const text of [forged, control]) {
    await service.request('POST', '/v1/register', { body: { username: `mina${text}`, password: PASSWORD } })
    await service.request('POST', '/v1/login', { body: { username: `mina${text}`, password: PASSWORD } })
    await service.request('GET', `/v1/${encodeURIComponent(text)}`)
    await service.request('GET', `/v1/todos?cursor=${encodeURIComponent(text)}`)
  }
  const ids = 'X-Request-Id: {"level":60}\r\nX-Forwarded-For: 1.2.3.4"}\r\nUser-Agent: {"level":60,"msg":"forged"}\r\n'
  await exchange(service.port, lastRequest('GET /livez', ids))
  const harmful = [
    '',
    'short',
    'x'.repeat(65),
    'forged id 1',
    'forged"id"1',
    'forged\tid1',
    'forged\\nid1',
    'forged\u001b[31m',
    '{"forged":1}',
  ]
  for (const id of harmful) {
    // A trusted proxy that forwards the X-Request-Id of its client.
    const answer = await exchange(trusting.port, lastRequest('GET /livez', `X-Request-Id: ${id}\r\n`))
    t.notMatch(answer, /forged|short|xxxxx/, JSON.stringify(id))
  }
  await exchange(service.port, 'GET /livez HTTP/1.1\r\nX: \u001b[31mforged\n\n')
  const log = [...(await logOf(service)), ...(await logOf(trusting))]
  for (const line of log) t.match(line, { pid: Number, level: /^[1-4]0$/, time: Number })
  for (const text of ['forged', '\\"level', '[31m', '1.2.3.4'])
    t.notOk((service.stdout + trusting.stdout).includes(text), text)
})

t.test('the request id of a trusted proxy is logged and returned', async (t) => {
  const service = await serving(t, { settings: { TRUST_PROXY: '127.0.0.1,::1' } })
  const answer = await exchange(service.port, lastRequest('GET /livez', 'X-Request-Id: from-the-proxy-1\r\n'))
  t.match(answer, /^x-request-id: from-the-proxy-1\r$/im)
  t.ok((await logOf(service)).some(({ request_id }) => request_id === 'from-the-proxy-1'))
})

t.test('LOG_LEVEL is the least level that is logged: requests at info, nothing at silent', async (t) => {
  const levels = { silent: Number.POSITIVE_INFINITY, fatal: 60, warn: 40, info: 30 }
  await Promise.all(
    Object.entries(levels).map(async ([LOG_LEVEL, least]) => {
      const service = await serving(t, { settings: { LOG_LEVEL } })
      await service.request('GET', '/v1/me')
      const log = await logOf(service)
      t.equal(log.filter(({ method }) => method === 'GET').length, least <= 30 ? 1 : 0, LOG_LEVEL)
      t.ok(
        log.every(({ level }) => Number(level) >= least),
        LOG_LEVEL,
      )
    }),
  )
})

/** All log lines of a service. The log is written asynchronously, and is complete when the process has exited. */
async function logOf(service: Child): Promise<Record<string, unknown>[]> {
  service.signal('SIGTERM')
  if ((await service.exit) !== 0) throw new Error(service.stderr)
  return service.log
}

t.test(
  'a service whose log is on a full disk serves, and stops when it is told to',
  { skip: withoutFull },
  async (t) => {
    const folder = await temporaryFolder(t)
    const env = { PATH: process.env.PATH, PORT: '0', MAX_EVENT_LOOP_DELAY: 'off' }
    const line = 'exec "$0" "$1" serve > /dev/full'
    const cli = join(packageRoot, 'dist', 'src', 'cli.js')
    const service = new Child(spawn('sh', ['-c', line, process.execPath, cli], { cwd: folder, env }), folder)
    t.teardown(() => service.end())
    await service.says(/Latchkey listens on/)
    for (let count = 0; count < 3; count += 1) t.equal((await fetch(`${service.address}/readyz`)).status, 200)
    service.signal('SIGTERM')
    t.equal(await service.exit, 0)
  },
)
