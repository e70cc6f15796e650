// On SQLite alone: headers are read before any query.

import { eq } from 'drizzle-orm'
import t from 'tap'
import { claimsOf, PASSWORD, startService } from '../helper.js'
import { exchange, lastRequest, listen } from '../support/wire.js'
import { rowsOf } from './requests.js'

const JSON_TYPE = 'Content-Type: application/json\r\n'

t.test('of two Authorization headers the first counts, and the second is ignored', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const port = await listen(service)
  const header = (token: string) => `Authorization: Bearer ${token}\r\n`
  const cases: [headers: string, expected: RegExp][] = [
    [header(mina.token) + header(joon.token), /"username":"mina"/],
    [header(joon.token) + header(mina.token), /"username":"joon"/],
    [`authorization: bearer ${joon.token}\r\n${header(mina.token)}`, /"username":"joon"/],
    [`${header('garbage')}${header(mina.token)}`, /"code":"invalid_token"/],
    [`Authorization: Basic bWluYTp4\r\n${header(mina.token)}`, /"code":"missing_token"/],
    [`Authorization:\r\n${header(mina.token)}`, /"code":"missing_token"/],
  ]
  for (const [headers, expected] of cases) {
    const answer = await exchange(port, lastRequest('GET /v1/me', headers))
    t.match(answer, expected, headers.replaceAll(/eyJ[\w.-]+/g, 'TOKEN'))
  }
})

t.test('no Host or forwarding header changes the issuer or the addresses that the service gives out', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '127.0.0.1' })
  const port = await listen(service)
  const hosts = [
    'Host: evil.example\r\n',
    'Host: evil.example:1\r\n',
    'Host: latchkey.test\r\nX-Forwarded-Host: evil.example\r\n',
    'Host: latchkey.test\r\nX-Forwarded-Server: evil.example\r\nX-Host: evil.example\r\n',
    'Host: latchkey.test\r\nForwarded: host=evil.example;proto=https\r\n',
    'Host: latchkey.test\r\nX-Forwarded-Proto: evil\r\nX-Forwarded-Prefix: //evil.example\r\n',
    'Host: latchkey.test\r\nX-Original-URL: //evil.example/\r\nX-Rewrite-URL: //evil.example/\r\n',
  ]
  for (const [n, host] of hosts.entries()) {
    const send = (target: string, headers = '', body = '') =>
      exchange(port, `${target} HTTP/1.1\r\nConnection: close\r\n${host}${headers}\r\n${body}`)
    for (const target of [
      'GET /.well-known/oauth-authorization-server',
      'GET /.well-known/jwks.json',
      'GET /openapi.json',
      'GET /docs/static/swagger-initializer.js',
      'GET /v1/me',
      'GET /nothing',
    ]) {
      t.notMatch(await send(target), 'evil', `${target} with ${host}`)
    }
    t.match(await send('GET /', 'Accept: text/html\r\n'), /\r\nlocation: \/docs\r\n/, host)
    const body = JSON.stringify({ username: `mina${n}`, password: PASSWORD })
    const registered = await send('POST /v1/register', `${JSON_TYPE}Content-Length: ${body.length}\r\n`, body)
    t.match(registered, /\r\nlocation: \/v1\/me\r\n/, host)
    const { access_token } = JSON.parse(registered.slice(registered.indexOf('\r\n\r\n')))
    t.match(claimsOf(access_token), { iss: 'http://latchkey.test', aud: 'http://latchkey.test' }, host)
  }
})

t.test('an invalid Host header is rejected, and not repeated in the answer', async (t) => {
  const port = await listen(await startService(t))
  for (const host of ['evil.example:1@latchkey.test', 'evil.example/latchkey.test', 'latchkey.test evil.example']) {
    const answer = await exchange(port, `GET /docs HTTP/1.1\r\nConnection: close\r\nHost: ${host}\r\n\r\n`)
    t.match(answer, /^HTTP\/1\.1 400 /, host)
    t.match(answer, 'malformed_request', host)
    t.notMatch(answer, 'evil', host)
  }
})

t.test('the request line alone sets the method, and override headers and parameters are ignored', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { id } = (await mina.post('/v1/todos', { title: 'Water the plants' })).json()
  const tutorial = (await mina.post('/v1/tutorials', { name: 'Knots', description: '' })).json()
  const before = await rowsOf(service, ['todos', 'tutorials'])
  for (const url of [`/v1/todos/${id}`, `/v1/tutorials/${tutorial.id}`]) {
    for (const header of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
      t.equal((await mina.get(url, { [header]: 'DELETE' })).statusCode, 200)
      t.equal((await mina.post(url, {}, { [header]: 'DELETE' })).statusCode, 405)
    }
    t.equal((await mina.post(`${url}?_method=DELETE`, { _method: 'DELETE' })).statusCode, 405)
    t.equal((await mina.get(`${url}?_method=DELETE`)).statusCode, 200)
  }
  t.same(await rowsOf(service, ['todos', 'tutorials']), before)
})

t.test('the client address is that of the connection, or the one that a trusted proxy reports', async (t) => {
  const spoofed = { 'x-forwarded-for': '203.0.113.66', 'x-real-ip': '203.0.113.66', forwarded: 'for=203.0.113.66' }
  const chain = { ...spoofed, 'x-forwarded-for': '203.0.113.66, 198.51.100.7' }
  for (const [TRUST_PROXY, headers, expected] of [
    ['', spoofed, '127.0.0.1'],
    ['10.0.0.0/8', spoofed, '127.0.0.1'],
    ['127.0.0.1', chain, '198.51.100.7'],
  ] as const) {
    const service = await startService(t, { TRUST_PROXY })
    const mina = await service.signUp('mina')
    await service.post('/v1/login', { username: 'mina', password: PASSWORD }, headers)
    await service.post('/v1/login', { username: 'mina', password: 'wrong' }, headers)
    const { db, tables } = service.app.database
    const { sessions, events } = tables
    const seen = [
      ...(await db.select({ ip: sessions.ip }).from(sessions).where(eq(sessions.userId, mina.id))),
      ...(await db.select({ ip: events.ip }).from(events)),
    ].map(({ ip }) => ip)
    t.ok(seen.includes(expected), `TRUST_PROXY=${TRUST_PROXY}`)
    t.notOk(seen.includes('203.0.113.66'), `TRUST_PROXY=${TRUST_PROXY}`)
  }
})
