// On SQLite alone: these requests are rejected before any query.

import t from 'tap'
import { startService } from '../helper.js'
import { exchange, lastRequest, listen } from '../support/wire.js'

const LOGIN = 'POST /v1/login'
const JSON_TYPE = 'Content-Type: application/json\r\n'

t.test('bytes that are no valid HTTP request get a problem with the security headers', async (t) => {
  const service = await startService(t, { BODY_LIMIT: '1KiB', PUBLIC_URL: 'https://login.example.com' })
  const port = await listen(service)
  const cases: [name: string, bytes: string, status: number, code: string][] = [
    ['no HTTP', 'GARBAGE\r\n\r\n', 400, 'malformed_request'],
    ['TLS', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 400, 'malformed_request'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'malformed_request'],
    ['another version', 'GET /livez HTTP/9.9\r\n\r\n', 400, 'malformed_request'],
    ['an unknown method', lastRequest('FOO /livez'), 400, 'malformed_request'],
    ['lines without a carriage return', 'GET /livez HTTP/1.1\nHost: a\n\n', 400, 'malformed_request'],
    ['a folded header', lastRequest('GET /livez', ' folded: x\r\n'), 400, 'malformed_request'],
    ['a header with NUL', lastRequest('GET /livez', 'A\0: x\r\n'), 400, 'malformed_request'],
    ['two lengths', lastRequest(LOGIN, 'Content-Length: 2\r\nContent-Length: 3\r\n', '{}'), 400, 'malformed_request'],
    [
      'a length and chunks',
      lastRequest(LOGIN, 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '{}'),
      400,
      'malformed_request',
    ],
    ['an invalid length', lastRequest(LOGIN, 'Content-Length: x\r\n', '{}'), 400, 'malformed_request'],
    [
      'an unknown encoding',
      lastRequest(LOGIN, `${JSON_TYPE}Transfer-Encoding: gzip\r\n`, '{}'),
      400,
      'malformed_request',
    ],
    [
      'invalid chunks',
      lastRequest(LOGIN, `${JSON_TYPE}Transfer-Encoding: chunked\r\n`, 'zz\r\n{}\r\n'),
      400,
      'malformed_request',
    ],
    ['a large header', lastRequest('GET /livez', `X-Large: ${'x'.repeat(8_192)}\r\n`), 431, 'headers_too_large'],
    ['many headers', lastRequest('GET /livez', 'X-Many: x\r\n'.repeat(1_500)), 431, 'headers_too_large'],
    ['a long address', lastRequest(`GET /${'x'.repeat(8_192)}`), 431, 'headers_too_large'],
    ['an address that cannot be decoded', lastRequest('GET /%zz'), 400, 'malformed_url'],
    [
      'a body announced as too large',
      lastRequest(LOGIN, `${JSON_TYPE}Content-Length: 1073741824\r\n`),
      413,
      'body_too_large',
    ],
    [
      'a body in chunks without end',
      lastRequest(LOGIN, `${JSON_TYPE}Transfer-Encoding: chunked\r\n`, `401\r\n${'x'.repeat(1_025)}\r\n`),
      413,
      'body_too_large',
    ],
    ['TRACE', lastRequest('TRACE /livez', 'X-Echo: do not repeat me\r\n'), 405, 'method_not_allowed'],
  ]
  for (const [name, bytes, status, code] of cases) {
    const { line, headers, body } = read(await exchange(port, bytes))
    t.match(line, new RegExp(`^HTTP/1\\.1 ${status} [A-Z][A-Za-z -]+$`), name)
    t.match(headers, SECURITY_HEADERS, name)
    t.match(headers['content-type'], /^application\/problem\+json/, name)
    t.equal(headers['content-length'], String(Buffer.byteLength(body)), name)
    t.match(
      JSON.parse(body),
      { type: `urn:latchkey:problem:${code}`, status, code, title: /\.$/, request_id: /./ },
      name,
    )
    t.notMatch(body, /HPE_|Parse Error|do not repeat me/i, name)
  }
  t.equal(read(await exchange(port, lastRequest('GET /livez'))).line, 'HTTP/1.1 200 OK', 'other requests are served')
})

t.test('a rejected request gets one response, and the bytes after it are not read as another request', async (t) => {
  const service = await startService(t)
  const port = await listen(service)
  // Without "Connection: close": the service must close each connection, or `exchange` would not return.
  const smuggled = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'
  for (const headers of [
    `${JSON_TYPE}Content-Length: 1000000\r\n`,
    `${JSON_TYPE}Transfer-Encoding: gzip\r\n`,
    // The next two get 415 for their headers before the parser fails at their bodies.
    'Transfer-Encoding: gzip\r\n',
    'Transfer-Encoding: chunked\r\n',
    `X-Large: ${'x'.repeat(9_000)}\r\n`,
  ]) {
    const answer = await exchange(port, `${LOGIN} HTTP/1.1\r\nHost: a\r\n${headers}\r\n${smuggled}`)
    t.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, headers.slice(0, 60))
    t.match(answer, /^HTTP\/1\.1 4/, headers.slice(0, 60))
  }
})

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'strict-transport-security': /^max-age=\d{8,}$/,
  connection: 'close',
}

function read(answer: string): { line: string; headers: Record<string, string>; body: string } {
  const end = answer.indexOf('\r\n\r\n')
  const [line = '', ...fields] = answer.slice(0, end).split('\r\n')
  const headers = fields
    .map((field) => field.split(/: (.*)/s, 2))
    .map(([name = '', value]) => [name.toLowerCase(), value])
  return { line, headers: Object.fromEntries(headers), body: answer.slice(end + 4) }
}
