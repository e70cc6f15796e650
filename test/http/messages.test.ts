// On SQLite alone: most of these requests are rejected before any query.

import t from 'tap'
import { jsonFault } from '../../src/http/json-faults.js'
import { PASSWORD, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'

const JSON_TYPE = { 'content-type': 'application/json' }
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' }

type Found = { in: string; path: string; message: string }

t.test('every validation error names its field and what is expected', async (t) => {
  const service = await startService(t)
  const admin = await signUpAdmin(service, 'mina')
  const cases: [method: 'GET' | 'POST' | 'PATCH', url: string, payload: unknown, errors: string[]][] = [
    ['POST', '/v1/register', {}, ['body /password is required', 'body /username is required, unless email is given']],
    [
      'POST',
      '/v1/register',
      { username: 5, email: ['x'], name: {}, password: '', 'a/b~c': 1 },
      [
        'body /a~1b~0c unknown field: a/b~c',
        'body /username must be a string or null',
        'body /email must be a string or null',
        'body /name must be a string or null',
        'body /password must not be empty',
      ],
    ],
    ['POST', '/v1/login', undefined, ['body  must be an object', 'body /username is required, unless email is given']],
    ['POST', '/v1/login', 'null', ['body  must be an object', 'body /username is required, unless email is given']],
    [
      'POST',
      '/v1/login',
      { username: 'mina', email: 'm@x.io', password: 'x' },
      ['body /email must not be given beside username'],
    ],
    [
      'POST',
      '/v1/login',
      { email: 'mina', password: 'x' },
      ['body /email must be an e-mail address such as name@example.com'],
    ],
    ['POST', '/v1/todos', {}, ['body /title is required']],
    [
      'POST',
      '/v1/todos',
      { title: 'x'.repeat(251), done: 'true', due_at: 'soon', user_id: 2 },
      [
        'body /user_id unknown field: user_id',
        'body /title must have at most 250 characters',
        'body /done must be true or false',
        'body /due_at must be a date and time with a time zone, such as 2026-11-20T09:00:00Z',
      ],
    ],
    ['PATCH', '/v1/me', {}, ['body  must have at least one field']],
    ['PATCH', '/v1/me', { username: 'mina2' }, ['body /current_password is required']],
    [
      'PATCH',
      '/v1/me',
      { email: 'ab', username: '' },
      ['body /username must not be empty', 'body /email must have at least 3 characters'],
    ],
    [
      'PATCH',
      '/v1/me',
      { username: null, current_password: PASSWORD },
      ['body /username a user name or an e-mail address must stay'],
    ],
    ['PATCH', `/v1/users/${admin.id}`, { role: 'owner' }, ['body /role must be one of: user, admin']],
    ['GET', '/v1/todos?limit=0', undefined, ['querystring /limit must be at least 1']],
    ['GET', '/v1/todos?limit=ten', undefined, ['querystring /limit must be a whole number']],
    [
      'GET',
      '/v1/todos?limit=1000&page=2',
      undefined,
      ['querystring /page unknown field: page', 'querystring /limit must be at most 100'],
    ],
    ['GET', '/v1/todos/ten', undefined, ['params /id must be a whole number']],
    [
      'GET',
      '/v1/events?since=today',
      undefined,
      ['querystring /since must be a date and time with a time zone, such as 2026-11-20T09:00:00Z'],
    ],
  ]
  for (const [method, url, payload, errors] of cases) {
    const headers = payload === undefined ? {} : JSON_TYPE
    const response = await admin.request({
      method,
      url,
      headers,
      ...(payload !== undefined && { payload: payload as object }),
    })
    const name = `${method} ${url} ${JSON.stringify(payload)}`
    t.match(response.json(), { status: 400, code: 'validation_failed' }, name)
    const found = response.json().errors.map(({ in: part, path, message }: Found) => `${part} ${path} ${message}`)
    t.same(found.sort(), errors.sort(), name)
  }
})

t.test('a very long field name is shortened in the response', async (t) => {
  const service = await startService(t)
  const response = await service.post('/v1/login', { username: 'mina', password: 'x', ['f'.repeat(50_000)]: 1 })
  t.equal(response.statusCode, 400)
  t.ok(response.payload.length < 1_000)
})

t.test('null and the empty string, which forms send, count as absent fields', async (t) => {
  const service = await startService(t)
  for (const [index, nothing] of [null, ''].entries()) {
    const named = { username: `mina${index}`, email: nothing, name: nothing, password: PASSWORD }
    const byName = await service.post('/v1/register', named)
    t.match(byName.json().user, { username: `mina${index}`, email: null, name: null }, JSON.stringify(nothing))
    const email = `mina${index}@example.com`
    const byEmail = await service.post('/v1/register', { username: nothing, email, password: PASSWORD })
    t.match(byEmail.json().user, { username: null, email, name: null }, JSON.stringify(nothing))
    const nobody = await service.post('/v1/register', { username: nothing, email: nothing, password: PASSWORD })
    t.match(nobody.json(), { code: 'validation_failed', errors: [{ in: 'body', path: '/username' }] })
    for (const body of [
      { username: `mina${index}`, email: nothing },
      { username: nothing, email },
      { username: email },
    ]) {
      t.equal((await service.post('/v1/login', { ...body, password: PASSWORD })).statusCode, 200, JSON.stringify(body))
    }
  }
})

t.test('a log-in takes an address in the field email, and finds no other account by it', async (t) => {
  const service = await startService(t)
  const mina = await service.post('/v1/register', { email: 'Mina@example.com', password: PASSWORD })
  await service.signUp('joon')
  const byEmail = await service.post('/v1/login', { email: 'mina@EXAMPLE.com', password: PASSWORD })
  t.equal(byEmail.json().user.id, mina.json().user.id)
  const other = await service.post('/v1/login', { email: 'joon@example.com', password: PASSWORD })
  t.match(other.json(), { status: 401, code: 'invalid_credentials' })
  t.equal((await service.post('/v1/login', { email: 'joon', password: PASSWORD })).statusCode, 400)
})

t.test('the error for malformed JSON gives the position and does not repeat the body', async (t) => {
  const service = await startService(t)
  const cases: [body: string, detail: RegExp][] = [
    ['{"username":"mina","password":"hunter2",}', /position 40 \(line 1, column 41\)/],
    ['{\n  "username": "mina",\n  "password": “hunter2”\n}', /position 38 \(line 3, column 15\)/],
    ["{'password':'hunter2'}", /position 1 /],
    ['{"password":"hunter2"', /ends before it is complete/],
    ['{"password":hunter2}', /position 12 /],
    ['hunter2', /position 0 /],
    ['{"password":"hunter2"} {"password":"hunter2"}', /position 23 /],
    ['{"password":"hunter2","__proto__":{}}', /named __proto__/],
  ]
  for (const [payload, detail] of cases) {
    const response = await service.request({ method: 'POST', url: '/v1/login', headers: JSON_TYPE, payload })
    t.match(response.json(), { status: 400, code: 'malformed_body', detail }, payload)
    t.notMatch(response.payload, 'hunter2', 'the body is not repeated')
  }
})

t.test('jsonFault finds a fault in exactly the texts that JSON.parse rejects', async (t) => {
  const good = ['{}', ' [ ] ', '[1,-0.5e+3,{"a":[null,true,false,"\\u00e9\\n\u007f"]}]', '"x"', '0', '{"a":{},"b":[]}']
  const characters = '{}[],:"\\ \n\t0-.eEtu\u0001é🏮'
  for (const text of good) {
    for (let index = 0; index <= text.length; index += 1) {
      for (const character of ['', ...characters]) {
        for (const cut of [0, 1]) check(text.slice(0, index) + character + text.slice(index + cut))
      }
    }
  }
  check('['.repeat(200_000))
  check(`${'['.repeat(200_000)}${']'.repeat(199_999)}}`)
  check(`"${'\\n'.repeat(400_000)}`)
  check(`"${'x'.repeat(1_000_000)}`)

  function check(text: string): void {
    const isGood = isJson(text)
    if ((jsonFault(text) === undefined) !== isGood)
      t.fail(`${isGood ? 'good' : 'bad'}: ${JSON.stringify(text.slice(0, 80))}`)
  }
})

t.test('errors for a wrong Content-Type, an unknown path and a token without Bearer say what to do', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const text = await service.post('/v1/login', 'x', { 'content-type': 'text/plain' })
  t.match(text.json(), { status: 415, title: 'Send the body with Content-Type: application/json.' })
  const form = await service.post('/v1/token', { grant_type: 'password' })
  t.match(form.json(), { error_description: 'Send the body with Content-Type: application/x-www-form-urlencoded.' })

  t.match((await mina.get('/v1/nothing')).json(), { status: 404, detail: /\/docs/ })
  t.match((await mina.get('/v1/todos/')).json(), {
    status: 404,
    code: 'not_found',
    detail: /must not end with a slash/,
  })
  t.match((await mina.get('/v1/todos/999')).json(), {
    status: 404,
    title: 'Not found, or not yours.',
    detail: undefined,
  })

  const bare = await service.get('/v1/me', { authorization: mina.token })
  t.match(bare.json(), { status: 401, detail: "The Authorization header must be 'Bearer <token>'." })
  t.equal(bare.headers['www-authenticate'], 'Bearer realm="latchkey"')
  t.match((await mina.get('/v1/users')).json(), { status: 403, detail: 'Only admins may do this.' })

  const preflight = { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' }
  const refused = await service.request({ method: 'OPTIONS', url: '/v1/login', headers: preflight })
  t.match(refused.json(), { status: 405, code: 'method_not_allowed', detail: /CORS_ORIGINS/ })
  t.notOk((await service.request({ method: 'OPTIONS', url: '/v1/login' })).json().detail)
})

t.test('with DOCS=off, a 404 does not mention /docs', async (t) => {
  const service = await startService(t, { DOCS: 'off' })
  t.notMatch((await service.get('/nothing')).payload, '/docs')
})

t.test('the token endpoint says what is wrong, in the characters that RFC 6749 allows', async (t) => {
  const service = await startService(t)
  const cases: [form: string, description: string][] = [
    ['grant_type=password&grant_type=password', 'A parameter is repeated.'],
    [`grant_type=password&username=${'x'.repeat(321)}&password=x`, 'The username must have at most 320 characters.'],
    ['username=mina', 'The grant_type is required.'],
    ['', 'Send the body with Content-Type: application/x-www-form-urlencoded.'],
    ['grant_type=password&username=mina', 'The parameter password is missing.'],
  ]
  for (const [payload, description] of cases) {
    const response = await service.request({ method: 'POST', url: '/v1/token', headers: FORM_TYPE, payload })
    t.match(response.json(), { error: 'invalid_request', error_description: description })
    t.match(response.json().error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
  }
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
