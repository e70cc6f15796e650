import t from 'tap'
import { startCompat } from './wire.js'

const LINES = [
  'POST /login/',
  'POST /login',
  'POST /register',
  'POST /tutorials',
  'PUT /tutorials/1',
  'POST /api/user/login',
  'POST /users/add_user/',
  'POST /token',
]
const PATHS = [
  '/login/',
  '/login',
  '/register',
  '/register/',
  '/tutorials',
  '/tutorials/',
  '/tutorials/1',
  '/tutorials/x',
]
const FASTAPI_PATHS = [
  '/api/user/login',
  '/api/user/login/',
  '/users/add_user',
  '/users/add_user/',
  '/token',
  '/token/',
]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']

const TYPES = [
  undefined,
  '',
  'application/json',
  'application/vnd.api+json; charset=utf-16',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=seam',
  'multipart/form-data; boundary="',
  'text/plain',
  'no type at all',
]
const everything = (value: unknown) =>
  JSON.stringify({ username: value, email: value, name: value, description: value, fullname: value, password: value })
const BODIES = [
  '',
  'null',
  '{',
  '[]',
  '"text"',
  '{"__proto__":{"username":"a"},"constructor":1}',
  everything('\0'),
  everything('\ud800'),
  everything('%00'),
  everything({ toString: 1 }),
  everything('가'.repeat(5_000)),
  `{"username":${'['.repeat(25_000)}${']'.repeat(25_000)},"password":"x"}`,
  `{"email":${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}}`,
  Buffer.from([0xff, 0xfe, 0x00, 0x7b]),
  'username=%00&password=%00',
  'username=%ff&password=%ed%a0%80',
  'username&password&&=&==',
  '--seam\r\nContent-Disposition: form-data; name="username"\r\n\r\na\0\r\n--seam\r\n\r\n--seam--',
  '--seam\r\nContent-Disposition: form-data; name="username"; filename="x"\r\n\r\na\r\n--seam--\r\n',
]

t.test('no body of any content type causes a 5xx answer', async (t) => {
  const { send, service } = await startCompat(t, { LOG_LEVEL: 'silent' })
  const { token } = await service.signUp('mina')
  for (const line of LINES) {
    const statuses = new Set<number>()
    for (const type of TYPES) {
      for (const raw of BODIES) {
        const headers = { authorization: `Bearer ${token}`, ...(type !== undefined && { 'content-type': type }) }
        const { status } = await send(line, { headers, raw })
        statuses.add(status)
      }
    }
    t.same(
      [...statuses].filter((status) => status >= 500),
      [],
      `${line}: ${[...statuses].sort()}`,
    )
  }
})

t.test('of all Authorization headers, only Bearer with a token of this service is accepted', async (t) => {
  const { send, service } = await startCompat(t)
  const { token, login } = await service.signUp('mina')
  const ask = (authorization: string) => send('GET /tutorials', { headers: { authorization } })
  t.match(await ask(`Bearer ${token}`), { status: 200, text: '[]' })
  const odd = [
    'Bearer',
    'Bearer ',
    'bearer',
    'Bearer ,',
    'Bearer a,b',
    'Bearer \t',
    ', Bearer a.b.c',
    'Bearer a.b.c.d',
    'Bearer ..',
    'Bearer éé.é.é',
    'Basic',
    'x'.repeat(4_000),
    token,
    `bearer ${token}`,
    `Token ${token}`,
    `Basic ${token}`,
    `Bearer${token}`,
    `Bearer: ${token}`,
    `Bearer "${token}"`,
    `Bearer ${token} x`,
    `Bearer ${token},x`,
    `Bearer ${token}.`,
    `Bearer ${token.slice(0, -4)}AAAA`,
    `Bearer ${token.split('.').slice(0, 2).join('.')}.`,
    `Bearer ${login.refresh_token}`,
  ]
  for (const authorization of odd) {
    const { status, text } = await ask(authorization)
    t.ok(status === 401 || status === 422, `${authorization}: ${status} ${text}`)
  }
})

t.test('only the tutorial routes to rows of a user need a token', async (t) => {
  const { service } = await startCompat(t)
  const closed: string[] = []
  for (const url of [...PATHS, ...FASTAPI_PATHS]) {
    for (const method of METHODS) {
      const { statusCode, payload } = await service.app.inject({ method: method as 'GET', url })
      t.ok(statusCode < 500, `${method} ${url}: ${statusCode}`)
      if (statusCode === 401) closed.push(`${method} ${url}`)
      if (statusCode === 401 && method !== 'HEAD') t.same(JSON.parse(payload), { msg: 'Missing Authorization Header' })
    }
  }
  t.same(closed.sort(), [
    'DELETE /tutorials/1',
    'GET /tutorials',
    'HEAD /tutorials',
    'POST /tutorials',
    'PUT /tutorials/1',
  ])
})
