// On SQLite alone: these requests are rejected before any query.

import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { PASSWORD, startService } from '../helper.js'

const JSON_TYPE = { 'content-type': 'application/json' }

t.test('an unknown path returns 404, and a method that a path does not have returns 405 with Allow', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  const mina = await service.signUp('mina')
  const cases: [method: string, url: string, code: string, allow?: string][] = [
    ['GET', '/nothing', 'not_found'],
    ['POST', '/nothing', 'not_found'],
    ['TRACE', '/nothing', 'not_found'],
    ['GET', '/v1', 'not_found'],
    ['GET', '/v1/me/', 'not_found'],
    ['GET', '/v1/todos/', 'not_found'],
    ['POST', '/v1/todos/', 'not_found'],
    ['PATCH', '/v1/todos/', 'not_found'],
    ['DELETE', '/v1/sessions/', 'not_found'],
    ['GET', '/v1/todos/1/', 'not_found'],
    ['GET', '/V1/todos', 'not_found'],
    ['GET', '/v1/todos;x', 'not_found'],
    ['GET', `/v1/todos/${'9'.repeat(500)}`, 'not_found'],
    ['GET', '/v1/todos/999', 'not_found'],
    ['GET', '/docs/static/nothing.js', 'not_found'],
    ['GET', '/', 'not_found'],
    ['PUT', '/v1/todos', 'method_not_allowed', 'GET, HEAD, POST'],
    ['DELETE', '/v1/todos', 'method_not_allowed', 'GET, HEAD, POST'],
    ['TRACE', '/v1/todos', 'method_not_allowed', 'GET, HEAD, POST'],
    ['PROPFIND', '/v1/todos', 'method_not_allowed', 'GET, HEAD, POST'],
    ['OPTIONS', '/v1/todos?limit=1', 'method_not_allowed', 'GET, HEAD, POST'],
    ['POST', '/v1/todos/1', 'method_not_allowed', 'DELETE, GET, HEAD, PATCH'],
    ['GET', '/v1/login', 'method_not_allowed', 'POST'],
    ['POST', '/livez', 'method_not_allowed', 'GET, HEAD'],
  ]
  for (const [method, url, code, allow] of cases) {
    const name = `${method} ${url.slice(0, 40)}`
    const response = await mina.request({ method: method as 'GET', url })
    isProblem(t, response, { status: allow ? 405 : 404, code, name })
    t.equal(response.headers.allow, allow, name)
  }
})

t.test('a URL that cannot be decoded returns 400 and is not repeated', async (t) => {
  const service = await startService(t)
  for (const url of ['/%zz', '/v1/todos/%ff', '/%', '/v1/%c0%af', '/docs/static/%']) {
    const response = await service.get(url)
    isProblem(t, response, { status: 400, code: 'malformed_url', name: url })
    t.notMatch(response.payload, url, 'the URL is not repeated')
  }
})

t.test('a body whose Content-Type is not JSON returns 415', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const body = JSON.stringify({ title: 'Water the plants' })
  const types: [type: string | undefined, status: number][] = [
    ['application/json', 201],
    ['application/json; charset=utf-8', 201],
    ['Application/JSON', 201],
    [undefined, 415],
    ['', 415],
    ['text/plain', 415],
    ['text/plain; a=application/json', 415],
    ['application/x-www-form-urlencoded', 415],
    ['multipart/form-data; boundary=x', 415],
    ['application/jsonx', 415],
    ['application/json garbage', 415],
    ['application/json\tgarbage', 415],
    ['application/json\t', 201],
    ['garbage application/json', 415],
    ['application', 415],
    ['*/*', 415],
  ]
  for (const [type, status] of types) {
    const name = JSON.stringify(type) ?? 'no type'
    const headers = { authorization: `Bearer ${mina.token}`, ...(type !== undefined && { 'content-type': type }) }
    const response = await service.request({ method: 'POST', url: '/v1/todos', headers, payload: body })
    t.equal(response.statusCode, status, name)
    if (status === 415) isProblem(t, response, { status, code: 'unsupported_media_type', name })
  }
  t.equal((await mina.get('/v1/todos')).json().items.length, types.filter(([, status]) => status === 201).length)
})

t.test('a body that is not JSON, or would pollute a prototype, returns 400', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const bodies = [
    '{',
    '{"title":"x"',
    "{'title':'x'}",
    '{"title":"x",}',
    'title=x',
    '\0',
    '{"title":NaN}',
    '\ufeff\ufeff{"title":"x"}',
    '{"title":"x","__proto__":{"done":true}}',
    '{"title":"x","\\u005f_proto__":{"done":true}}',
    '{"title":"x","description":{"__proto__":{"done":true}}}',
    '{"title":"x","constructor":{"prototype":{"done":true}}}',
    '{"title":"x","constructor":{"\\u0070rototype":{"done":true}}}',
  ]
  for (const payload of bodies) {
    const response = await mina.request({ method: 'POST', url: '/v1/todos', headers: JSON_TYPE, payload })
    isProblem(t, response, { status: 400, code: 'malformed_body', name: JSON.stringify(payload) })
  }
  t.same((await mina.get('/v1/todos')).json().items, [])
  t.equal(Reflect.get({}, 'done'), undefined)
})

t.test('an empty body of type JSON counts as no body', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { headers } = await mina.post('/v1/todos', { title: 'Water the plants' })
  const empty = (method: 'POST' | 'DELETE' | 'PATCH', url: string) =>
    mina.request({ method, url, headers: JSON_TYPE, payload: '' })
  for (const url of ['/v1/todos', '/v1/login']) {
    isProblem(t, await empty('POST', url), { status: 400, code: 'validation_failed', name: url })
  }
  isProblem(t, await empty('PATCH', '/v1/todos/1'), { status: 400, code: 'validation_failed', name: 'PATCH' })
  t.equal((await empty('DELETE', String(headers.location))).statusCode, 204)
  t.equal((await empty('POST', '/v1/logout')).statusCode, 204)
})

t.test('a deeply nested body is rejected like any other invalid body', async (t) => {
  const small = await startService(t)
  const large = await startService(t, { BODY_LIMIT: '1MiB' })
  const depth = 200_000
  const [deep, open] = ['['.repeat(depth) + ']'.repeat(depth), '['.repeat(depth)]
  const bodies: [name: string, payload: string, code: string][] = [
    ['arrays', deep, 'validation_failed'],
    ['arrays that are not closed', open, 'malformed_body'],
    ['objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 'validation_failed'],
    ['in a field', `{"username":"mina","password":${deep}}`, 'validation_failed'],
    ['in an unknown field', `{"username":"mina","password":"x","other":${deep}}`, 'validation_failed'],
    ['around a poisoned name', `${open}{"__proto__":1}${']'.repeat(depth)}`, 'malformed_body'],
  ]
  for (const [name, payload, code] of bodies) {
    const request: InjectOptions = { method: 'POST', url: '/v1/login', headers: JSON_TYPE, payload }
    const response = await large.request(request)
    isProblem(t, response, { status: 400, code, name })
    t.ok(response.payload.length < 2_000, 'the body is not sent back')
    isProblem(t, await small.request(request), { status: 413, code: 'body_too_large', name })
  }
})

t.test('the validation errors of a request are all listed, up to twenty', async (t) => {
  const service = await startService(t)
  const wishes = { username: 'mina', password: PASSWORD, role: 'admin', id: 1, is_admin: true }
  const refused = await service.post('/v1/register', wishes)
  isProblem(t, refused, { status: 400, code: 'validation_failed', name: 'unknown fields' })
  t.same(
    refused.json().errors,
    ['role', 'id', 'is_admin'].map((name) => ({ in: 'body', path: `/${name}`, message: `unknown field: ${name}` })),
  )
  const login = await service.post('/v1/login', { username: 'mina', password: PASSWORD })
  isProblem(t, login, { status: 401, code: 'invalid_credentials', name: 'no account was registered' })

  const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`field${index}`, index]))
  t.equal((await service.post('/v1/register', { ...many, password: PASSWORD })).json().errors.length, 20)
  const mina = await service.signUp('mina')
  const wrong = await mina.post('/v1/todos', { title: 7, done: 'true', due_at: 'soon' })
  const paths = wrong.json().errors.map(({ in: where, path }: { in: string; path: string }) => `${where} ${path}`)
  t.same([...new Set(paths)].sort(), ['body /done', 'body /due_at', 'body /title'])
  const query = await mina.get('/v1/todos?limit=1000&other=1')
  isProblem(t, query, { status: 400, code: 'validation_failed', name: 'query' })
  t.match(query.json().errors, [{ in: 'querystring' }, { in: 'querystring' }])
})

/** Checks the format of every error: RFC 9457 with a code, and with the request id that the header contains. */
function isProblem(
  t: Test,
  response: Response,
  { status, code, name }: { status: number; code: string; name: string },
) {
  t.equal(response.statusCode, status, name)
  t.match(response.headers['content-type'], /^application\/problem\+json/, name)
  const body = response.json()
  t.match(body, { type: `urn:latchkey:problem:${code}`, title: /^[A-Z].+\.$/, status, code, request_id: /.{8}/ }, name)
  t.same(
    Object.keys(body).filter(
      (field) => !['type', 'title', 'status', 'code', 'detail', 'errors', 'request_id'].includes(field),
    ),
    [],
    name,
  )
  t.equal(response.headers['x-request-id'], body.request_id, name)
}
