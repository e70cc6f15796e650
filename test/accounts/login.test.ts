import { eq } from 'drizzle-orm'
import t from 'tap'
import { claimsOf, PASSWORD, type Service, startService } from '../helper.js'

const MINA = { username: 'Mina', email: 'Mina@Example.com', password: PASSWORD }
/** The same for every request, so that responses can be compared byte by byte. */
const REQUEST_ID = { 'x-request-id': 'the-same-request' }

t.test('users log in with any spelling of their name or address, and each log-in starts a session', async (t) => {
  const service = await startService(t)
  const registered = (await service.post('/v1/register', MINA)).json()
  await service.signUp('joon')
  const sessions = new Set([claimsOf(registered.access_token).sid])
  const names = ['Mina', 'mina', 'MINA', 'ｍｉｎａ']
  const spellings = [...names, 'Mina@Example.com', 'mina@example.com', 'MINA@EXAMPLE.COM', 'mina＠example.com']
  for (const username of spellings) {
    const response = await service.post('/v1/login', { username, password: PASSWORD })
    t.equal(response.statusCode, 200, username)
    t.equal(response.headers['cache-control'], 'no-store')
    const body = response.json()
    t.strictSame(body.user, registered.user)
    t.strictSame(Object.keys(body).sort(), Object.keys(registered).sort())
    t.equal(body.token_type, 'Bearer')
    const { sub, sid, iat, exp, role } = claimsOf(body.access_token)
    t.strictSame({ sub, role }, { sub: String(registered.user.id), role: 'user' })
    t.equal(Number(exp) - Number(iat), body.expires_in)
    sessions.add(sid)
    t.equal((await (await service.logIn(username)).get('/v1/me')).json().username, 'Mina')
  }
  t.equal(sessions.size, spellings.length + 1)
})

t.test('an unknown user, a wrong password and a disabled account get byte-identical answers', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '127.0.0.1' })
  await service.post('/v1/register', MINA)
  const joon = await service.signUp('joon')
  await disable(service, joon.id)
  const tries = [
    { username: 'mina', password: 'not her password' },
    { username: 'mina@example.com', password: 'not her password' },
    { username: 'mina', password: PASSWORD.toUpperCase() },
    { username: 'nobody', password: PASSWORD },
    { username: 'nobody@example.com', password: PASSWORD },
    { username: 'nobody＠example.com', password: PASSWORD },
    { username: 'mina\u0000', password: PASSWORD },
    { username: '\ud800', password: PASSWORD },
    { username: "' or 1=1 --", password: PASSWORD },
    { username: 'constructor', password: PASSWORD },
    { username: '@', password: PASSWORD },
    { username: 'admin', password: PASSWORD },
    { username: 'joon', password: PASSWORD },
    { username: 'joon', password: 'not his password' },
  ]
  const answers = new Set<string>()
  for (const payload of tries) {
    const response = await service.post('/v1/login', payload, REQUEST_ID)
    t.equal(response.statusCode, 401, JSON.stringify(payload))
    t.equal(response.json().code, 'invalid_credentials')
    t.equal(response.headers['www-authenticate'], 'Bearer realm="latchkey"')
    t.equal(response.headers['cache-control'], 'no-store')
    const { date, ...headers } = response.headers
    t.type(date, 'string')
    answers.add(JSON.stringify([headers, response.payload]))
  }
  t.equal(answers.size, 1)
  const { tables, db } = service.app.database
  t.equal((await db.select().from(tables.sessions)).length, 2, 'no session but those of the registrations')
})

t.test('a disabled account can log in again once it is enabled', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await disable(service, mina.id)
  t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 401)
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ isActive: true })
  t.equal((await service.logIn('mina')).id, mina.id)
})

t.test('a log-in that does not match the schema is rejected, without password or token in the answer', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const good = { username: 'mina', password: PASSWORD }
  const bodies: unknown[] = [
    { username: 'mina' },
    { password: PASSWORD },
    { ...good, username: '' },
    { ...good, password: '' },
    { ...good, username: ['mina'] },
    { ...good, username: { $ne: null } },
    { ...good, password: true },
    { ...good, password: null },
    { ...good, remember: true },
    { ...good, id: 1 },
    { email: 'mina', password: PASSWORD },
    { ...good, username: 'x'.repeat(321) },
    { ...good, password: 'x'.repeat(257) },
    [],
  ]
  for (const body of bodies) {
    const response = await service.post('/v1/login', body)
    t.match(response.json(), { status: 400, code: 'validation_failed' }, JSON.stringify(body).slice(0, 60))
    t.equal(response.headers['cache-control'], 'no-store')
    t.notMatch(response.payload, /quiet lanterns|token/)
  }
  t.equal((await service.post('/v1/login', JSON.stringify(good), { 'content-type': 'text/plain' })).statusCode, 415)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  t.equal((await service.post('/v1/login', new URLSearchParams(good).toString(), form)).statusCode, 415)
  t.equal((await service.get('/v1/login?username=mina&password=three+quiet+lanterns')).statusCode, 405)
})

t.test('no answer contains the password, its hash or internal fields', async (t) => {
  const service = await startService(t)
  const registered = await service.post('/v1/register', MINA)
  const mina = await service.logIn('mina')
  const { db, tables } = service.app.database
  const [row] = await db.select().from(tables.users)
  const answers = [
    registered,
    await service.post('/v1/login', { username: 'mina', password: PASSWORD }),
    await service.post('/v1/login', { username: 'mina', password: 'not her password' }),
    await service.post('/v1/register', MINA),
    await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token }),
    await mina.get('/v1/me'),
  ]
  for (const { payload, headers } of answers) {
    const everything = JSON.stringify([payload, headers])
    t.notMatch(everything, /password_?hash|bcrypt|\$2|quiet lanterns|username_?key|email_?key|is_?active/i)
    t.notOk(everything.includes(row?.passwordHash?.slice(-31) ?? ''))
  }
})

// The verification of a password takes long enough for the password, the status or the role to change meanwhile.
t.test('no session starts if the account changed while the password was verified', async (t) => {
  const service = await startService(t)
  const { app } = service
  const mina = await service.signUp('mina')
  const { db, tables } = app.database
  const countSessions = async () => (await db.select().from(tables.sessions)).length
  const client = { ip: '127.0.0.1' }
  const proven = await app.logIn.authenticate('mina', PASSWORD, client)
  t.ok(await app.sessions.issue(proven, client))
  const before = await countSessions()
  const changes = [{ authVersion: proven.authVersion + 1 }, { isActive: false }]
  for (const change of changes) {
    const ofMina = eq(tables.users.id, mina.id)
    await db.update(tables.users).set(change).where(ofMina)
    await t.rejects(app.sessions.issue(proven, client), { code: 'invalid_credentials' }, JSON.stringify(change))
    const { authVersion, isActive } = proven
    await db.update(tables.users).set({ authVersion, isActive }).where(ofMina)
  }
  t.equal(await countSessions(), before)
  await db.delete(tables.users).where(eq(tables.users.id, mina.id))
  await t.rejects(app.sessions.issue(proven, client), { code: 'invalid_credentials' })
  t.equal(await countSessions(), before)
})

async function disable({ app }: Service, userId: number): Promise<void> {
  const { db, tables } = app.database
  await db.update(tables.users).set({ isActive: false }).where(eq(tables.users.id, userId))
}
