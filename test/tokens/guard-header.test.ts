// On SQLite alone: the header is read before any query.

import t from 'tap'
import { startService } from '../helper.js'
import { exchange, lastRequest, listen } from '../support/wire.js'

const CHALLENGE = 'Bearer realm="latchkey"'

t.test('only one form of the Authorization header is accepted as a token', async (t) => {
  const service = await startService(t)
  const { token } = await service.signUp('mina')
  const cases: [header: string, status: number, code?: string][] = [
    [`Bearer ${token}`, 200],
    [`bearer ${token}`, 200],
    [`BEARER ${token}`, 200],
    [`Bearer  ${token}`, 400, 'malformed_authorization'],
    [`Bearer\t${token}`, 400, 'malformed_authorization'],
    [`Bearer ${token}\t`, 400, 'malformed_authorization'],
    [`Bearer ${token} `, 400, 'malformed_authorization'],
    [`Bearer ${token} ${token}`, 400, 'malformed_authorization'],
    [`Bearer ${token}, Bearer ${token}`, 400, 'malformed_authorization'],
    [`Bearer "${token}"`, 400, 'malformed_authorization'],
    [`Bearer=${token}`, 400, 'malformed_authorization'],
    ['Bearer', 400, 'malformed_authorization'],
    ['Bearer ', 400, 'malformed_authorization'],
    ['', 401, 'missing_token'],
    [token, 401, 'missing_token'],
    [` Bearer ${token}`, 401, 'missing_token'],
    [`Basic ${Buffer.from(`mina:${token}`).toString('base64')}`, 401, 'missing_token'],
    [`BearerX ${token}`, 401, 'missing_token'],
    [`Token ${token}`, 401, 'missing_token'],
  ]
  const challenges: Record<string, string> = {
    malformed_authorization: `${CHALLENGE}, error="invalid_request"`,
    missing_token: CHALLENGE,
  }
  for (const [header, status, code] of cases) {
    const name = JSON.stringify(header.replaceAll(token, 'TOKEN'))
    const response = await service.get('/v1/me', { authorization: header })
    t.equal(response.statusCode, status, name)
    // Proxies such as nginx turn a 400 into a 500, so /v1/verify answers 401 instead.
    const { statusCode } = await service.get('/v1/verify', { authorization: header })
    t.equal(statusCode, status === 200 ? 204 : 401, name)
    if (code === undefined) continue
    t.match(response.json(), { status, code }, name)
    t.equal(response.headers['www-authenticate'], challenges[code], name)
  }
})

t.test('a token is read only from the Authorization header, not from the URL, cookies or proxy headers', async (t) => {
  const service = await startService(t)
  const { token } = await service.signUp('mina')
  const port = await listen(service)
  const cases: [target: string, headers: string, status: number][] = [
    [`GET /v1/me?access_token=${token}`, '', 401],
    [`GET /v1/me?authorization=Bearer%20${token}`, '', 401],
    [`GET /v1/me#${token}`, '', 401],
    ['GET /v1/me', `Cookie: access_token=${token}; token=${token}\r\n`, 401],
    ['GET /v1/me', `X-Access-Token: ${token}\r\nProxy-Authorization: Bearer ${token}\r\n`, 401],
    ['GET /v1/me', 'X-Original-URL: /livez\r\nX-Rewrite-URL: /livez\r\n', 401],
    ['GET /v1/me', 'X-HTTP-Method-Override: OPTIONS\r\n', 401],
    ['GET /v1/me', 'Connection: Authorization\r\nX-Forwarded-For: 127.0.0.1\r\n', 401],
    ['GET /v1/%6de', '', 401],
    ['GET http://elsewhere.test/v1/me', '', 401],
    ['GET /v1/me/', '', 404],
    ['GET //v1/me', '', 404],
    ['GET /V1/ME', '', 404],
    ['GET /v1/me;public=true', '', 404],
    ['GET /livez/../v1/me', '', 404],
    ['GET /livez%2f..%2fv1%2fme', '', 404],
    ['GET /docs/../v1/me', '', 404],
    ['GET /docs/static/..%2f..%2fv1%2fme', '', 404],
  ]
  for (const [target, headers, status] of cases) {
    const name = `${target} ${headers}`.replaceAll(token, 'TOKEN')
    const answer = await exchange(port, lastRequest(target, headers))
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), name)
    t.notMatch(answer, 'mina', name)
  }
})
