// On SQLite alone: headers do not depend on the database.

import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import { type Service, startService } from '../helper.js'
import { until } from '../support/replica.js'
import { ask } from '../support/sqlite.js'
import { stall } from '../support/stall.js'
import { exchange, lastRequest, listen } from '../support/wire.js'

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}
const NEVER = [
  'server',
  'x-powered-by',
  'set-cookie',
  'access-control-allow-origin',
  'access-control-allow-credentials',
]

t.test('every response has the security headers, whatever its status', async (t) => {
  const service = await startService(t)
  for (const [name, { headers }] of await answersOf(service)) {
    t.match(headers, { ...SECURITY_HEADERS, 'x-request-id': /^[\w-]{8,}$/ }, name)
    for (const header of [...NEVER, 'strict-transport-security'])
      t.equal(headers[header], undefined, `${name}: ${header}`)
  }
})

t.test('with an https PUBLIC_URL, every response has Strict-Transport-Security', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'https://login.example.com' })
  for (const [name, { headers }] of await answersOf(service)) {
    t.equal(headers['strict-transport-security'], 'max-age=31536000', name)
  }
})

t.test('responses of endpoints with tokens are no-store, and the public keys may be cached', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const refresh = { refresh_token: mina.login.refresh_token }
  const answers = [
    await service.post('/v1/refresh', refresh),
    await service.post('/v1/login', { username: 'mina', password: 'wrong' }),
    await service.request({ method: 'POST', url: '/v1/token', headers: form, payload: 'grant_type=password' }),
    await mina.get('/v1/me'),
  ]
  for (const { headers } of answers) t.equal(headers['cache-control'], 'no-store')
  t.match((await service.get('/.well-known/jwks.json')).headers['cache-control'], /^public/)
})

t.test('without CORS_ORIGINS, no response has CORS headers', async (t) => {
  const service = await startService(t)
  const origin = 'https://evil.example.com'
  const plain = await service.get('/livez', { origin })
  const preflight = await service.request(preflightFrom(origin))
  t.equal(plain.statusCode, 200)
  t.match(preflight.json(), { status: 405, code: 'method_not_allowed' })
  for (const response of [plain, preflight]) t.same(corsOf(response), [])
})

t.test('a page of CORS_ORIGINS can read and send every header in the document', async (t) => {
  const service = await startService(t, { CORS_ORIGINS: 'https://app.example.com' })
  const document = service.app.swagger() as unknown as { paths: Record<string, Record<string, DocumentedHeaders>> }
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  const responses = operations.flatMap((operation) => Object.values(operation.responses))
  const read = new Set(responses.flatMap(({ headers = {} }) => Object.keys(headers)))
  const sent = operations.flatMap(({ parameters = [] }) => parameters.filter((parameter) => parameter.in === 'header'))
  t.ok(read.has('ETag') && sent.length > 0)
  const { headers } = await service.app.inject(preflightFrom('https://app.example.com'))
  const exposed = String(headers['access-control-expose-headers']).split(', ')
  // Fetch always exposes Cache-Control, and proxies read the headers of /v1/verify.
  for (const name of [...read].map((name) => name.toLowerCase())) {
    t.ok(exposed.includes(name) || name === 'cache-control' || name.startsWith('x-latchkey-'), name)
  }
  for (const { name } of sent) t.match(headers['access-control-allow-headers'], name)
})

t.test('an origin in CORS_ORIGINS gets CORS headers on every response and preflight', async (t) => {
  const ours = ['https://app.example.com', 'https://admin.example.com:8443']
  const service = await startService(t, { CORS_ORIGINS: ours.join(', ') })
  const mina = await service.signUp('mina')
  for (const origin of ours) {
    const answers: [name: string, response: Response][] = [
      ['200', await mina.get('/v1/me', { origin })],
      ['401', await service.get('/v1/me', { origin })],
      ['404', await service.get('/nothing', { origin })],
      ['405', await service.request({ method: 'PUT', url: '/v1/todos', headers: { origin } })],
    ]
    for (const [status, response] of answers) {
      t.equal(response.statusCode, Number(status), 'CORS does not change the status')
      t.equal(response.headers['access-control-allow-origin'], origin, `a page can read a ${status}`)
      t.match(String(response.headers.vary), /origin/i, `a ${status} varies by Origin`)
      t.match(response.headers['access-control-expose-headers'], /etag.*retry-after.*www-authenticate.*x-request-id/i)
      t.equal(response.headers['access-control-allow-credentials'], undefined)
    }
    const preflight = await service.app.inject(preflightFrom(origin))
    t.match(preflight, { statusCode: 204, payload: '' })
    t.match(preflight.headers, { ...SECURITY_HEADERS, 'access-control-allow-origin': origin })
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
      t.match(preflight.headers['access-control-allow-methods'], method)
    }
    t.match(preflight.headers['access-control-allow-headers'], /authorization.*content-type/i)
  }
})

t.test('error responses have CORS headers too, and preflights are answered under pressure', async (t) => {
  const origin = 'https://app.example.com'
  const service = await startService(t, { CORS_ORIGINS: origin, MAX_EVENT_LOOP_DELAY: '50' })
  const allowed = { 'access-control-allow-origin': origin, vary: /origin/i }
  t.match((await service.get('/%zz', { origin })).headers, allowed, 'an address that cannot be decoded')
  const stranger = (await service.get('/%zz', { origin: 'https://evil.example.com' })).headers
  t.equal(stranger['access-control-allow-origin'], undefined)
  await until(async () => {
    stall(300)
    await sleep(1)
    const refused = await service.get('/v1/me', { origin })
    if (refused.statusCode !== 503) return false
    t.match(refused.headers, { ...allowed, 'retry-after': '1' }, 'overloaded')
    t.match(await service.app.inject(preflightFrom(origin)), { statusCode: 204, headers: allowed }, 'preflight')
    return true
  })
  const port = await listen(service)
  const large = `Origin: ${origin}\r\nX-Large: ${'x'.repeat(9_000)}\r\n`
  t.match(
    await exchange(port, lastRequest('GET /livez', large)),
    /^HTTP\/1\.1 431 .*^access-control-allow-origin: https:\/\/app\.example\.com\r$/ms,
  )
  const strange = large.replace(origin, 'https://evil.example.com')
  t.notMatch(await exchange(port, lastRequest('GET /livez', strange)), /access-control-allow-origin/)
})

t.test('with CORS_ORIGINS, no other origin gets CORS headers, and other responses stay the same', async (t) => {
  const service = await startService(t, { CORS_ORIGINS: 'https://app.example.com' })
  for (const origin of [
    'https://evil.example.com',
    'https://app.example.com.evil.example',
    'https://evilapp.example.com',
    'https://evil.example?https://app.example.com',
    'https://app.example.com:444',
    'https://app.example.com/',
    'https://APP.example.com',
    'http://app.example.com',
    'null',
    '*',
    '',
  ]) {
    const plain = await service.get('/livez', { origin })
    t.equal(plain.statusCode, 200)
    t.equal(plain.headers['access-control-allow-origin'], undefined, origin)
    const preflight = await service.app.inject(preflightFrom(origin))
    t.equal(preflight.headers['access-control-allow-origin'], undefined, `preflight from ${origin}`)
  }
  t.match((await service.get('/nothing')).json(), { status: 404, code: 'not_found' })
  const origin = 'https://app.example.com'
  for (const [url, statusCode, allow] of [
    ['/v1/todos', 405, 'GET, HEAD, POST'],
    ['/login', 200, 'POST, OPTIONS'],
    ['/nothing', 404, undefined],
  ] as const) {
    const noPreflight = await service.app.inject({ method: 'OPTIONS', url, headers: { origin } })
    t.match(noPreflight, { statusCode, headers: { allow, 'access-control-allow-origin': origin } }, url)
    t.notOk(noPreflight.headers['access-control-allow-methods'], `${url}: no preflight`)
  }
  t.match((await service.get('/v1/me')).json(), { status: 401, code: 'missing_token' })
})

t.test('the X-Request-Id of an untrusted peer is replaced, and that of a trusted proxy is kept', async (t) => {
  for (const TRUST_PROXY of ['', '192.0.2.0/24,2001:db8::/32']) {
    const service = await startService(t, { TRUST_PROXY })
    const { headers } = await service.get('/nothing', { 'x-request-id': 'abcd1234' })
    t.match(headers['x-request-id'], /^[\w-]{8,64}$/)
    t.not(headers['x-request-id'], 'abcd1234')
  }
  const behindProxy = await startService(t, { TRUST_PROXY: '10.0.0.0/8,fd00::/8' })
  for (const remoteAddress of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00::7']) {
    const answer = await behindProxy.request({
      url: '/nothing',
      remoteAddress,
      headers: { 'x-request-id': 'abcd1234' },
    })
    t.equal(answer.headers['x-request-id'], 'abcd1234', remoteAddress)
  }
})

t.test('a valid X-Request-Id of a trusted proxy is kept, and an invalid one is replaced', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '127.0.0.1' })
  const ids = ['abcd1234', 'a.b-c_d.e-f_g', '9f8e7d6c-5b4a-4392-8171-605f4e3d2c1b', 'x'.repeat(64)]
  for (const id of ids) {
    const response = await service.get('/nothing', { 'x-request-id': id })
    t.equal(response.headers['x-request-id'], id)
    t.equal(response.json().request_id, id)
  }
  const seen = new Set<unknown>()
  const bad = [
    '',
    'short',
    'with a space',
    'x'.repeat(65),
    'x'.repeat(200),
    'abcd1234\r\nset-cookie: a=b',
    'abcd12345, b',
    '"><script>',
    '\u001b[31mabcd1234',
    'abcd1234%0a',
    '안녕하세요여러분',
  ]
  for (const id of bad) {
    const response = await service.get('/nothing', { 'x-request-id': id })
    const own = response.headers['x-request-id']
    t.match(own, /^[\w-]{8,64}$/, JSON.stringify(id))
    t.not(own, id)
    t.equal(response.headers['set-cookie'], undefined)
    t.equal(response.json().request_id, own)
    seen.add(own)
  }
  t.equal(seen.size, bad.length, 'every request has an id of its own')
})

/** One response of each kind, by name. The last response is a bug: the table of its query has been dropped. */
async function answersOf(service: Service): Promise<[name: string, response: Response][]> {
  const mina = await service.signUp('mina')
  const answers: [string, Response, number][] = [
    ['200', await service.get('/livez'), 200],
    ['200 with a token', await mina.get('/v1/me'), 200],
    ['201', await mina.post('/v1/todos', { title: 'Water the plants' }), 201],
    ['204', await mina.get('/v1/verify'), 204],
    ['400', await service.post('/v1/login', {}), 400],
    ['400, an address that cannot be decoded', await service.get('/%zz'), 400],
    ['401', await service.get('/v1/me'), 401],
    ['404', await service.get('/nothing'), 404],
    ['405', await service.post('/livez'), 405],
    ['413', await service.post('/v1/login', { username: 'x'.repeat(100_000), password: 'x' }), 413],
    ['HEAD', await service.request({ method: 'HEAD', url: '/livez' }), 200],
  ]
  await ask(service, sql`drop table todos`)
  answers.push(['500', await mina.get('/v1/todos'), 500])
  for (const [name, { statusCode }, expected] of answers) {
    if (statusCode !== expected) throw new Error(`${name} is ${statusCode}`)
  }
  return answers.map(([name, response]) => [name, response])
}

interface DocumentedHeaders {
  parameters?: { in: string; name: string }[]
  responses: Record<string, { headers?: object }>
}

function preflightFrom(origin: string): InjectOptions {
  return {
    method: 'OPTIONS',
    url: '/v1/todos/1',
    headers: {
      origin,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'authorization,content-type',
    },
  }
}

function corsOf({ headers }: Response): string[] {
  return Object.keys(headers).filter((name) => name.startsWith('access-control-'))
}
