// On SQLite alone: these requests are rejected before any query.

import t from 'tap'
import { startService } from '../helper.js'
import { exchange, lastRequest, listen } from '../support/wire.js'

const SECURITY_HEADERS = [
  'cache-control: no-store',
  "content-security-policy: default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options: nosniff',
  'content-type: application/problem+json',
]

t.test('requests that Node would reject with a bare status get a problem with the security headers', async (t) => {
  const service = await startService(t)
  const port = await listen(service)
  const close = 'Connection: close\r\n'
  type Case = [name: string, bytes: string, status: number, code: string]
  const cases: Case[] = [
    ['no Host', `GET /livez HTTP/1.1\r\n${close}\r\n`, 400, 'malformed_request'],
    ['no Host, at a path that is not there', `GET /nothing HTTP/1.1\r\n${close}\r\n`, 400, 'malformed_request'],
    ['two Hosts', lastRequest('GET /livez', 'Host: evil.test\r\n'), 400, 'malformed_request'],
    ['the same Host twice', lastRequest('GET /livez', 'hOST: latchkey.test\r\n'), 400, 'malformed_request'],
    ...['a b', 'evil.test/x', 'me@evil.test', 'latchkey.test:80:90', '[::1'].map(
      (host): Case => [
        `the Host ${host}`,
        `GET /livez HTTP/1.1\r\nHost: ${host}\r\n${close}\r\n`,
        400,
        'malformed_request',
      ],
    ),
    ['an expectation', lastRequest('GET /livez', 'Expect: the-unexpected\r\n'), 417, 'expectation_failed'],
    [
      'an empty expectation',
      lastRequest('POST /v1/login', 'Expect: \r\nContent-Length: 0\r\n'),
      417,
      'expectation_failed',
    ],
    ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n', 405, 'method_not_allowed'],
    ['QUERY, nothing there', lastRequest('QUERY /nothing'), 404, 'not_found'],
    [
      'QUERY with a body, nothing there',
      lastRequest('QUERY /nothing', 'Content-Type: x/y\r\nContent-Length: 1\r\n', 'x'),
      404,
      'not_found',
    ],
    ['QUERY, there', lastRequest('QUERY /livez'), 405, 'method_not_allowed'],
    [
      'POST of no type, nothing there',
      lastRequest('POST /nothing', 'Content-Type: x\r\nContent-Length: 1\r\n', 'x'),
      404,
      'not_found',
    ],
  ]
  for (const [name, bytes, status, code] of cases) {
    const answer = await exchange(port, bytes)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1\\.1 ${status} [A-Z][A-Za-z -]+\\r\\n`), name)
    for (const header of SECURITY_HEADERS) t.match(head, header, `${name}: ${header}`)
    t.match(JSON.parse(body), { status, code }, name)
  }
  t.match(await exchange(port, `GET /livez HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 200 /, 'HTTP/1.0 knows no Host')
  for (const host of ['', 'latchkey.test', 'latchkey.test:3000', '127.0.0.1:3000', '[::1]:3000', 'a_b.test', 'x--y']) {
    t.match(await exchange(port, `GET /livez HTTP/1.1\r\nHost: ${host}\r\n${close}\r\n`), /^HTTP\/1\.1 200 /, host)
  }
  const goesOn = await exchange(
    port,
    lastRequest(
      'POST /v1/login',
      'Expect: 100-Continue\r\nContent-Type: application/json\r\nContent-Length: 2\r\n',
      '{}',
    ),
  )
  t.match(goesOn, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 /)
})
