import t from 'tap'
import { Problem } from '../../src/problems.js'
import { claimsOf, PASSWORD } from '../helper.js'
import { type Answer, type Compat, type Sent, startCompat } from './wire.js'

// The tutorials' endpoints and v1 share accounts, budgets, sessions and rows.

interface Endpoint {
  line: string
  logIn(name: string, password: string): Sent
  /** The key of the message in the endpoint's errors. */
  key: string
  minutes: number
}

const BY_USERNAME: Endpoint[] = [
  { line: 'POST /login/', logIn: (username, password) => ({ json: { username, password } }), key: 'msg', minutes: 15 },
  {
    line: 'POST /login',
    logIn: (username, password) => ({ json: { username, password } }),
    key: 'message',
    minutes: 15,
  },
  {
    line: 'POST /api/user/login',
    logIn: (username, password) => ({ form: { username, password } }),
    key: 'detail',
    minutes: 24 * 60,
  },
  {
    line: 'POST /token',
    logIn: (username, password) => ({ form: { username, password } }),
    key: 'detail',
    minutes: 30,
  },
]
const BY_EMAIL: Endpoint = {
  line: 'POST /login',
  logIn: (email, password) => ({ json: { email, password } }),
  key: 'msg',
  minutes: 24 * 60,
}

const register = ({ service }: Compat) =>
  service.post('/v1/register', { username: 'mina', email: 'mina@example.com', password: PASSWORD })

function knock({ send }: Compat, endpoint: Endpoint, password = PASSWORD): Promise<Answer> {
  return send(endpoint.line, endpoint.logIn(endpoint === BY_EMAIL ? 'mina@example.com' : 'mina', password))
}

t.test('v1 accounts log in at each tutorial with the token lifetime of that tutorial, and log out at v1', async (t) => {
  const compat = await startCompat(t)
  await register(compat)
  for (const endpoint of [...BY_USERNAME, BY_EMAIL]) {
    const token: string = JSON.parse((await knock(compat, endpoint)).text).access_token
    const claims = claimsOf(token)
    t.equal((Number(claims.exp) - Number(claims.iat)) / 60, endpoint.minutes, endpoint.line)
    t.equal(claims.aud, 'http://latchkey.test/compat', 'no other service accepts the token')
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await compat.service.get('/v1/me', headers)).json().username, 'mina')
    t.equal((await compat.service.post('/v1/logout', undefined, headers)).statusCode, 204)
    const after = await compat.send('GET /tutorials', { headers })
    t.same([after.status, JSON.parse(after.text)], [401, { msg: 'Token has been revoked' }])
  }
})

t.test('an account registered at a tutorial logs in at all tutorials and at v1', async (t) => {
  const compat = await startCompat(t)
  await compat.send('POST /users/add_user/', { json: { username: 'mina', password: PASSWORD } })
  await compat.send('POST /register', { json: { name: 'Mina', email: 'mina@example.com', password: PASSWORD } })
  for (const endpoint of [...BY_USERNAME, BY_EMAIL]) t.equal((await knock(compat, endpoint)).status, 200, endpoint.line)
  for (const username of ['MINA', 'mina@example.com']) {
    t.equal((await compat.service.post('/v1/login', { username, password: PASSWORD })).statusCode, 200)
  }
})

t.test('wrong passwords at all log-in endpoints share one budget', async (t) => {
  const compat = await startCompat(t, { LOGIN_THROTTLE: 'on' })
  await register(compat)
  for (const endpoint of [...BY_USERNAME, BY_EMAIL]) {
    for (let tries = 0; tries < 2; tries += 1)
      t.equal((await knock(compat, endpoint, 'wrong')).status, 401, endpoint.line)
  }
  for (const endpoint of [...BY_USERNAME, BY_EMAIL]) {
    const answer = await knock(compat, endpoint)
    t.equal(answer.status, 429, endpoint.line)
    t.same(Object.keys(JSON.parse(answer.text)), [endpoint.key])
    t.match(answer.headers['retry-after'], /^\d+$/)
  }
  t.equal((await compat.service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 429)
})

t.test('a full hash queue and an internal error are answered in the error format of the tutorial', async (t) => {
  const compat = await startCompat(t)
  const { logIn } = compat.service.app
  for (const endpoint of [...BY_USERNAME, BY_EMAIL]) {
    logIn.authenticateExactly = async () => {
      throw new Problem('hashing_overloaded')
    }
    const full = await knock(compat, endpoint)
    t.match(full, { status: 503, headers: { 'retry-after': '1' } }, endpoint.line)
    t.same(Object.keys(JSON.parse(full.text)), [endpoint.key])

    logIn.authenticateExactly = async () => {
      throw new Error('a secret of the database')
    }
    const bug = await knock(compat, endpoint)
    t.equal(bug.status, 500, endpoint.line)
    t.same(Object.keys(JSON.parse(bug.text)), [endpoint.key])
    t.notMatch(bug.text, /secret of/)
  }
})

t.test('RATE_LIMIT is one budget for the tutorial endpoints and those of v1', async (t) => {
  const signUps = ['POST /register', 'POST /users/add_user/']
  const compat = await startCompat(t, { RATE_LIMIT: String(BY_USERNAME.length + signUps.length) })
  for (const endpoint of BY_USERNAME) t.equal((await knock(compat, endpoint)).status, 401, endpoint.line)
  for (const line of signUps) t.not((await compat.send(line, { json: {} })).status, 429, line)
  for (const endpoint of BY_USERNAME) {
    const answer = await knock(compat, endpoint)
    t.equal(answer.status, 429, endpoint.line)
    t.type(JSON.parse(answer.text)[endpoint.key], 'string')
    t.match(answer.headers['retry-after'], /^\d+$/)
  }
  for (const line of signUps) t.equal((await compat.send(line, { json: {} })).status, 429, line)
  t.equal((await compat.service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 429)
})

t.test('a tutorial row is stored in the common table, and only its owner can change it', async (t) => {
  const compat = await startCompat(t)
  const [mina, jun] = [await compat.service.signUp('mina'), await compat.service.signUp('jun')]
  const json = { name: 'New Video', description: '1234' }
  const made = JSON.parse((await compat.send('POST /tutorials', { headers: bearer(mina.token), json })).text)
  t.same(made, { ...json, id: made.id, user_id: mina.id })
  const { db, tables } = compat.service.app.database
  t.match(await db.select().from(tables.tutorials), [{ ...json, id: made.id, userId: mina.id, version: 1 }])
  t.equal((await compat.send(`DELETE /tutorials/${made.id}`, { headers: bearer(jun.token) })).status, 404)
  await compat.send(`PUT /tutorials/${made.id}`, { headers: bearer(mina.token), json: { name: 'changed' } })
  t.match(await db.select().from(tables.tutorials), [{ name: 'changed', description: '1234', version: 2 }])
})

function bearer(token: string) {
  return { authorization: `Bearer ${token}` }
}
