// On SQLite alone: content types are checked before any query.

import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { OpenAPIV3_1 } from 'openapi-types'
import t from 'tap'
import { requestTo } from '../attacks/requests.js'
import { startService } from '../helper.js'
import { type Operation, operationsOf } from '../support/operations.js'
import { listen } from '../support/wire.js'

const TYPES = [
  'application/x-www-form-urlencoded',
  'application/x-www-form-urlencoded; charset=utf-8',
  'text/plain;charset=UTF-8',
  'multipart/form-data; boundary=x',
  'application/octet-stream',
  'application/json',
  'application/json; charset=latin1',
  'not a type',
  '',
]

t.test('a request with an empty body is answered alike, whatever its Content-Type', async (t) => {
  const service = await startService(t)
  const port = await listen(service)
  const { paths = {} } = service.app.swagger() as OpenAPIV3_1.Document
  const isOptional = ({ path, method, isCompat }: Operation) => {
    const documented = paths[path]?.[method.toLowerCase() as 'post']
    return !isCompat && method !== 'GET' && (documented?.requestBody as { required?: boolean })?.required !== true
  }
  const operations = operationsOf(service).filter((operation) => isOptional(operation))
  const ids = operations.map(({ id }) => id)
  for (const id of ['logout', 'deleteTodo', 'revokeOtherSessions', 'createPasswordReset']) t.ok(ids.includes(id), id)
  for (const operation of operations.filter(({ id }) => id !== 'logout')) {
    const { token } = await service.signUp(`person${operation.id}`.slice(0, 32))
    // The id of no row, so that every call gets the same response.
    const id = operation.path.includes('/sessions/{') ? '7d444840-9dc0-41c9-8c5b-5e8bd3b5c2a1' : '999999'
    const { method, url } = requestTo(operation, { id })
    const call = (headers: Record<string, string>) =>
      send(port, String(method), String(url), { authorization: `Bearer ${token}`, ...headers })
    const plain = await call({})
    t.notOk([400, 413, 415, 500].includes(plain), `${operation.id}: ${plain}`)
    const statuses = TYPES.flatMap((type) => [
      call({ 'content-type': type, 'content-length': '0' }),
      call({ 'content-type': type, 'transfer-encoding': 'chunked' }),
    ])
    t.same(new Set(await Promise.all(statuses)), new Set([plain]), operation.id)
  }
})

t.test('an empty log-out of any Content-Type ends the session, and a non-JSON body returns 415', async (t) => {
  const service = await startService(t)
  const port = await listen(service)
  await service.signUp('mina')
  for (const type of TYPES) {
    const { token } = await service.logIn('mina')
    const headers = { authorization: `Bearer ${token}`, 'content-type': type }
    t.equal(await send(port, 'POST', '/v1/logout', { ...headers, 'content-length': '0' }), 204, type)
    t.equal(await send(port, 'GET', '/v1/me', headers), 401, `${type}: the session has ended`)
  }
  const { token } = await service.logIn('mina')
  for (const type of ['text/plain', 'not a type', '']) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': type }
    t.equal(await send(port, 'POST', '/v1/logout', headers, 'x=y'), 415, type)
  }
  t.equal(await send(port, 'GET', '/v1/me', { authorization: `Bearer ${token}` }), 200, 'the session has not ended')
})

t.test('a body that is not UTF-8 is refused and changes nothing', async (t) => {
  const service = await startService(t)
  const { token } = await service.signUp('mina')
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json; charset=iso-8859-1' }
  const post = (payload: Buffer) => service.request({ method: 'POST', url: '/v1/todos', headers, payload })
  const bodies = {
    latin1: Buffer.from('{"title":"Café"}', 'latin1'),
    truncated: Buffer.concat([Buffer.from('{"title":"Caf'), Buffer.from('é').subarray(0, 1), Buffer.from('"}')]),
    surrogate: Buffer.concat([Buffer.from('{"title":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    gzip: gzipSync('{"title":"Café"}'),
  }
  for (const [name, body] of Object.entries(bodies)) {
    const refused = {
      status: 400,
      code: 'malformed_body',
      detail: 'The body is not UTF-8 text. Send it without compression.',
    }
    t.match((await post(body)).json(), refused, name)
  }
  t.same((await service.request({ url: '/v1/todos', headers })).json().items, [])
  t.match((await post(Buffer.from('\ufeff{"title":"Café"}'))).json(), { title: 'Café' }, 'with a byte order mark')
})

/** The status of the response to a request with exactly these headers. */
function send(port: number, method: string, path: string, headers: Record<string, string>, body = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, method, path, headers }, (response) => {
      response.resume().on('end', () => resolve(Number(response.statusCode)))
    })
    sent.on('error', reject).end(body)
  })
}
