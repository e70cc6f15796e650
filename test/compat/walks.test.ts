// On SQLite alone: a start without settings uses SQLite.

import t, { type Test } from 'tap'
import { type Child, latchkey } from '../support/child.js'

// What a reader of each tutorial types, in the order of the tutorial, at a service with default settings. Only the port
// differs, and MAX_EVENT_LOOP_DELAY is off, because a busy test machine would answer 503. Users that a tutorial assumes
// to exist are created as docs/tutorials.md describes.

const TUTORIAL_USER = { name: 'testuser', email: 'test@gmail.com', password: '1234' }
const JOHN = { username: 'john', password: 'my_password' }
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/
const START_DEADLINE_MS = 60_000

t.setTimeout(240_000)

t.test('the calls of steps 11 to 16 of the Flask tutorials API work with default settings', async (t) => {
  const service = await start(t)
  const { name: _name, ...login } = TUTORIAL_USER
  t.match(await sendJson(service, '/register', TUTORIAL_USER), { status: 200, body: { access_token: TOKEN } })
  // The tutorial registers twice. Its own second call either adds a second user with the same address or crashes.
  t.match(await sendJson(service, '/register', TUTORIAL_USER), {
    status: 409,
    body: { msg: 'Email already registered' },
  })
  t.match(await sendJson(service, '/login', login), { status: 200, body: { access_token: TOKEN } })
  t.match(await service.request('GET', '/tutorials'), { status: 401, body: { msg: 'Missing Authorization Header' } })

  const { body: loggedIn } = await sendJson(service, '/login', login)
  const token: string = loggedIn.access_token
  t.match(await service.request('GET', '/tutorials', { token }), { status: 200, body: [] })
  const video = { name: 'New Video', description: '1234' }
  const made = await service.request('POST', '/tutorials', { token, body: video })
  t.equal(made.status, 200)
  t.strictSame(made.body, { ...video, id: made.body.id, user_id: made.body.user_id })
  const listed = await service.request('GET', '/tutorials', { token })
  t.equal(listed.status, 200)
  t.strictSame(listed.body, [made.body])

  const path = `/tutorials/${made.body.id}`
  const changed = await service.request('PUT', path, { token, body: { name: 'changed' } })
  t.match(changed, { status: 200, body: { ...made.body, name: 'changed' } })
  t.equal((await service.request('DELETE', path, { token })).status, 204)
})

t.test('sign-up, log-in at /token and /docs of the FastAPI TODO application work with default settings', async (t) => {
  const service = await start(t)
  t.strictSame((await service.request('GET', '/')).body, { message: 'Hello, FastAPI!' })
  const dave = { username: 'dave', fullname: 'Dave', password: '1234' }
  const { body: user } = await sendJson(service, '/users/add_user/', dave)
  t.strictSame(user, { username: 'dave', fullname: 'Dave', id: user.id, is_active: true })
  t.match(await sendJson(service, '/users/add_user/', dave), {
    status: 400,
    body: { detail: 'User already registered' },
  })
  const answer = await sendForm(service, '/token', { username: 'dave', password: '1234' })
  t.equal(answer.status, 200)
  t.strictSame(Object.keys(answer.body).sort(), ['access_token', 'token_type'])
  t.match(answer.body, { access_token: TOKEN, token_type: 'bearer' })
  t.match(await sendForm(service, '/token', { username: 'dave', password: '12345' }), {
    status: 401,
    body: { detail: 'Incorrect username or password' },
  })
  t.equal((await fetch(`${service.address}/docs`)).status, 200)
})

t.test('the three log-in tutorials work for a user registered as docs/tutorials.md says', async (t) => {
  const service = await start(t)
  t.match(await sendJson(service, '/v1/register', JOHN), { status: 201, body: { user: { username: 'john' } } })

  const restful = await sendJson(service, '/login', JOHN)
  t.equal(restful.status, 200)
  t.strictSame(Object.keys(restful.body), ['access_token'])
  t.match(await sendJson(service, '/login', { ...JOHN, password: 'wrong' }), {
    status: 401,
    body: { message: 'Invalid username or password' },
  })

  t.match(await sendJson(service, '/login/', JOHN), { status: 200, body: { access_token: TOKEN } })
  t.match(await sendJson(service, '/login/', { username: 'john' }), {
    status: 400,
    body: { msg: 'Missing username or password' },
  })
  t.match(await sendJson(service, '/login/', { ...JOHN, password: 'wrong' }), {
    status: 401,
    body: { msg: 'Bad username or password' },
  })
  const noJson = await fetch(`${service.address}/login/`, { method: 'POST' })
  t.strictSame([noJson.status, await noJson.json()], [400, { msg: 'Missing JSON in request' }])

  const fastapi = await sendForm(service, '/api/user/login', JOHN)
  t.equal(fastapi.status, 200)
  t.match(fastapi.body, { access_token: TOKEN, token_type: 'bearer', username: 'john' })
  const wrong = await sendForm(service, '/api/user/login', { ...JOHN, password: 'wrong' })
  t.match(wrong, { status: 401, body: { detail: 'Incorrect username or password' } })
  t.equal(wrong.headers.get('www-authenticate'), 'Bearer')
})

t.test('a service that listens on all addresses rejects weak passwords in the format of each tutorial', async (t) => {
  const service = await start(t, { HOST: '0.0.0.0' })
  t.notMatch(service.stderr, 'COMPAT_WEAK_PASSWORDS')
  await refusesWeak(t, service)
})

t.test('weak passwords are accepted only at the tutorial endpoints, and a start message says so', async (t) => {
  const service = await start(t)
  const lines = service.stderr.split('\n').filter((line) => line.includes('COMPAT_WEAK_PASSWORDS'))
  t.equal(lines.length, 1)
  t.match(lines[0], /1234 while HOST is localhost; COMPAT_WEAK_PASSWORDS=off/)
  t.match(await sendJson(service, '/v1/register', { username: 'mina', password: '1234' }), {
    status: 400,
    body: { code: 'password_rejected' },
  })
  const { body } = await sendJson(service, '/v1/register', JOHN)
  const change = { current_password: JOHN.password, new_password: '1234' }
  t.match(await service.request('POST', '/v1/me/password', { token: body.access_token, body: change }), {
    status: 400,
    body: { code: 'password_rejected' },
  })
  for (const password of ['x'.repeat(257), '1234\0']) {
    const email = `${password.length}@example.com`
    t.match(await sendJson(service, '/register', { ...TUTORIAL_USER, email, password }), {
      status: 400,
      body: { msg: String },
    })
  }
  t.equal(
    (await sendJson(service, '/register', { ...TUTORIAL_USER, email: 'b@example.com', password: 'password' })).status,
    200,
  )
})

/** Starts `latchkey serve` as a new user does, on a free port. */
async function start(t: Test, settings: Record<string, string> = {}): Promise<Child> {
  const child = await latchkey(t, ['serve'], { settings: { PORT: '0', MAX_EVENT_LOOP_DELAY: 'off', ...settings } })
  await child.says(settings.HOST === undefined ? /Latchkey listens on/ : /listening at http:..127/, START_DEADLINE_MS)
  return child
}

async function refusesWeak(t: Test, service: Child): Promise<void> {
  t.match(await sendJson(service, '/register', TUTORIAL_USER), {
    status: 400,
    body: { msg: 'A password has at least 8 characters.' },
  })
  t.match(await sendJson(service, '/users/add_user/', { username: 'dave', password: '1234' }), {
    status: 422,
    body: { detail: [{ type: 'value_error', loc: ['body', 'password'] }] },
  })
}

function sendJson(service: Child, path: string, body: object) {
  return service.request('POST', path, { body })
}

async function sendForm(service: Child, path: string, fields: Record<string, string>) {
  const body = new URLSearchParams(fields)
  const response = await fetch(`${service.address}${path}`, { method: 'POST', body })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}
