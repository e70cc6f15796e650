import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { claimsOf, PASSWORD, type Person, type Service, startService } from '../helper.js'
import { openForge, token } from '../support/forge.js'
import { operationsOf } from '../support/operations.js'
import { DEAD, sessionStatus, signUpAdmin } from '../support/people.js'

t.setTimeout(120_000)

const FIVE_MINUTES_S = 300
const CHALLENGE = 'Bearer realm="latchkey", error="insufficient_user_authentication", max_age="300"'

/** Operations that reject a token whose log-in is more than five minutes old. */
const NEED_A_RECENT_LOGIN = [
  'addClientSecret',
  'createClient',
  'createPasswordReset',
  'createUser',
  'deleteClient',
  'deleteUser',
  'deleteUserFactors',
  'endClientSecret',
  'revokeUserSessions',
  'updateClient',
  'updateUser',
]

t.test('every change that an admin makes needs a log-in of the last five minutes', async (t) => {
  const { service, mina, boss, aged } = await start(t)
  const writes = operationsOf(service).filter(({ tags, method }) => tags.includes('admin') && method !== 'GET')
  t.same(writes.map(({ id }) => id).sort(), NEED_A_RECENT_LOGIN)
  const old = await aged(boss)
  for (const { method, path } of writes) {
    const url = path.replaceAll(/\{\w+\}/g, String(mina.id))
    const refused = await service.request({ method, url, headers: { authorization: `Bearer ${old}` } })
    t.match(refused.json(), { status: 401, code: 'reauthentication_required' }, path)
    t.equal(refused.headers['www-authenticate'], CHALLENGE)
  }
  const authorization = `Bearer ${old}`
  t.equal((await service.get('/v1/users', { authorization })).statusCode, 200, 'reading needs no recent log-in')
  const again = await service.post('/v1/reauthenticate', { current_password: PASSWORD }, { authorization })
  const fresh = { authorization: `Bearer ${again.json().access_token}` }
  const change = { method: 'PATCH', url: `/v1/users/${mina.id}`, payload: { roles: ['editor'] } } as const
  t.match((await service.request({ ...change, headers: fresh })).json(), { roles: ['editor'] })
})

t.test(
  'reauthentication returns a token of the same session with a new auth_time, which a refresh does not keep',
  async (t) => {
    const { service, mina, aged } = await start(t)
    const old = await aged(mina)
    const authorization = `Bearer ${old}`
    const answer = await service.post('/v1/reauthenticate', { current_password: PASSWORD }, { authorization })
    t.equal(answer.statusCode, 200)
    t.same(Object.keys(answer.json()).sort(), ['access_token', 'expires_in', 'token_type'])
    const { sid, auth_time, amr, sub, role } = claimsOf(answer.json().access_token)
    t.match({ sid, sub, amr, role }, { sid: claimsOf(old).sid, sub: String(mina.id), amr: ['pwd'], role: 'user' })
    t.ok(Math.abs(Number(auth_time) - Date.now() / 1_000) < FIVE_MINUTES_S / 10)
    await age(service, mina)
    const { access_token } = (await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })).json()
    t.ok(Number(claimsOf(access_token).auth_time) < Number(auth_time) - FIVE_MINUTES_S)
    await mina.post('/v1/logout')
    const ended = await service.get('/v1/me', { authorization: `Bearer ${answer.json().access_token}` })
    t.match(ended.json(), { code: 'invalid_token' }, 'the token ends with its session')
  },
)

t.test('a wrong password at reauthentication returns no token, counts as a failed try, and is recorded', async (t) => {
  const { service, mina } = await start(t)
  t.match((await mina.post('/v1/reauthenticate', { current_password: 'wrong' })).json(), { code: 'wrong_password' })
  t.match((await mina.post('/v1/reauthenticate', {})).json(), { code: 'validation_failed' })
  const { db, tables } = service.app.database
  const rejected = await db.select().from(tables.events).where(eq(tables.events.type, 'password.rejected'))
  t.match(rejected, [{ userId: mina.id }])
  const answers = []
  for (let tries = 0; tries < 12; tries += 1) {
    answers.push((await mina.post('/v1/reauthenticate', { current_password: 'wrong' })).statusCode)
  }
  t.ok(answers.includes(429))
})

t.test('changes of credentials need the current password, even right after the log-in', async (t) => {
  const { service, mina, aged } = await start(t)
  const changes = [
    ['PATCH', '/v1/me', { username: 'mina2' }],
    ['PATCH', '/v1/me', { email: 'mina@example.com' }],
    ['POST', '/v1/me/password', { new_password: 'seven calm lanterns' }],
    ['POST', '/v1/me/delete', {}],
  ] as const
  for (const authorization of [`Bearer ${mina.token}`, `Bearer ${await aged(mina)}`]) {
    for (const [method, url, payload] of changes) {
      const refused = await service.request({ method, url, payload, headers: { authorization } })
      const errors = [{ path: '/current_password', message: 'is required' }]
      t.match(refused.json(), { status: 400, code: 'validation_failed', errors }, url)
    }
    const payload = { name: 'Mina' }
    const named = await service.request({ method: 'PATCH', url: '/v1/me', payload, headers: { authorization } })
    t.equal(named.statusCode, 200)
  }
  t.equal((await service.logIn('mina')).id, mina.id)
})

t.test('a reauthentication that crosses a change of the account returns no token', async (t) => {
  const { service, mina } = await start(t)
  const [user] = await usersNamed(service, 'mina')
  if (user === undefined) throw new Error('no user')
  await service.app.administration.change(mina.id, { roles: 'editor' }, { id: null })
  const caller = { userId: mina.id, sessionId: String(claimsOf(mina.token).sid) }
  await t.rejects(service.app.freshTokens.issue(caller, user, 'pwd', { ip: '192.0.2.7' }), { code: 'invalid_token' })
  await service.app.administration.change(mina.id, { isActive: false }, { id: null })
  t.equal(await sessionStatus(mina), DEAD)
})

t.test('a token of the tutorials API cannot be exchanged for a token of Latchkey with the password', async (t) => {
  const { service } = await start(t)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const payload = new URLSearchParams({ username: 'mina', password: PASSWORD }).toString()
  const login = await service.app.inject({ method: 'POST', url: '/api/user/login', headers, payload })
  const authorization = `Bearer ${login.json().access_token}`
  const answer = await service.post('/v1/reauthenticate', { current_password: PASSWORD }, { authorization })
  t.match(answer.json(), { status: 401, code: 'invalid_token' })
})

function usersNamed({ app: { database } }: Service, name: string) {
  const { db, tables } = database
  return db.select().from(tables.users).where(eq(tables.users.username, name))
}

/** Moves the log-in of a user an hour into the past. */
async function age({ app: { database } }: Service, person: Person): Promise<void> {
  const { db, tables } = database
  const id = String(claimsOf(person.token).sid)
  await db
    .update(tables.sessions)
    .set({ authTime: Date.now() - 3_600_000 })
    .where(eq(tables.sessions.id, id))
}

async function start(t: Test) {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const boss = await signUpAdmin(service, 'boss')
  const forge = await openForge(service, boss)
  /** A user's access token whose log-in is a little more than five minutes old. */
  const aged = async ({ token: own }: Person) =>
    token({ ...forge, claims: claimsOf(own) }, { auth_time: Math.floor(Date.now() / 1_000) - FIVE_MINUTES_S - 1 })
  return { service, mina, boss, aged }
}
