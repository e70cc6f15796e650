import { hash } from '@node-rs/bcrypt'
import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { claimsOf, PASSWORD, type Person, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'
import { setHash } from '../support/stored-hashes.js'

const NEXT = 'four louder lanterns'
const CLIENT = { ip: '127.0.0.1' }

interface Change {
  name: string
  do(people: { service: Service; mina: Person; boss: Person }): Promise<unknown>
  /** Whether a log-in whose password was verified before the change may still start a session. */
  letsIn: boolean
}

const CHANGES: Change[] = [
  {
    name: 'a new password',
    do: ({ mina }) => mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEXT }),
    letsIn: false,
  },
  {
    name: 'a password that was reset',
    do: async ({ service, mina, boss }) => {
      const { token } = (await boss.post(`/v1/users/${mina.id}/password-reset`)).json()
      return service.post('/v1/password-reset', { token, new_password: NEXT })
    },
    letsIn: false,
  },
  {
    name: 'another role',
    do: ({ boss, mina }) => boss.patch(`/v1/users/${mina.id}`, { role: 'admin' }),
    letsIn: false,
  },
  {
    name: 'other roles',
    do: ({ boss, mina }) => boss.patch(`/v1/users/${mina.id}`, { roles: ['editor'] }),
    letsIn: false,
  },
  {
    name: 'an account that was disabled and enabled',
    do: async ({ boss, mina }) => {
      await boss.patch(`/v1/users/${mina.id}`, { is_active: false })
      return boss.patch(`/v1/users/${mina.id}`, { is_active: true })
    },
    letsIn: false,
  },
  {
    name: 'another address',
    do: ({ mina }) => mina.patch('/v1/me', { email: 'mina@example.com', current_password: PASSWORD }),
    letsIn: false,
  },
  { name: 'another name', do: ({ mina }) => mina.patch('/v1/me', { name: 'Mina', locale: 'ko' }), letsIn: true },
  {
    name: 'an update to the same roles',
    do: ({ boss, mina }) => boss.patch(`/v1/users/${mina.id}`, { roles: [], role: 'user', is_active: true }),
    letsIn: true,
  },
]

for (const change of CHANGES) {
  const outcome = change.letsIn
    ? 'does not affect a log-in in progress'
    : 'prevents a log-in in progress from starting a session'
  t.test(`${change.name} ${outcome}`, async (t) => {
    const { service, mina, boss } = await threePeople(t)
    const { logIn, sessions } = service.app
    const proven = await logIn.authenticate('mina', PASSWORD, CLIENT)
    const answer = (await change.do({ service, mina, boss })) as { statusCode: number }
    t.ok([200, 204].includes(answer.statusCode), String(answer.statusCode))
    if (change.letsIn) await t.resolves(sessions.issue(proven, CLIENT))
    else await t.rejects(sessions.issue(proven, CLIENT), { code: 'invalid_credentials' })
  })
}

t.test('renewing the hash of the same password does not affect a log-in in progress', async (t) => {
  const { service, mina } = await threePeople(t)
  const { logIn, sessions } = service.app
  const old = await hash(PASSWORD, 4)
  await setHash(mina, old)
  const [first, second] = await Promise.all([
    logIn.authenticate('mina', PASSWORD, CLIENT),
    logIn.authenticate('mina', PASSWORD, CLIENT),
  ])
  t.not(first.passwordHash, old, 'the hash is renewed')
  for (const proven of [first, second]) await t.resolves(sessions.issue(proven, CLIENT))
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('of two simultaneous changes of the password with the old password, one succeeds', async (t) => {
  const { service, mina } = await threePeople(t)
  const other = await service.logIn('mina')
  const answers = await Promise.all([
    mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEXT }),
    other.post('/v1/me/password', { current_password: PASSWORD, new_password: 'seven calm lanterns' }),
  ])
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [204, 401])
})

t.test('an account without a password answers a log-in like an account that does not exist', async (t) => {
  const { service, mina } = await threePeople(t)
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ passwordHash: null }).where(eq(tables.users.id, mina.id))
  const logIn = (username: string, password: string) => service.post('/v1/login', { username, password })
  for (const password of [PASSWORD, '!', 'null', ' ']) {
    const [none, unknown] = [await logIn('mina', password), await logIn('nobody', password)]
    t.match(none.json(), { status: 401, code: 'invalid_credentials' })
    t.same({ ...none.json(), request_id: '' }, { ...unknown.json(), request_id: '' })
  }
  const change = await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEXT })
  t.match(change.json(), { status: 403, code: 'wrong_password' })
  t.equal((await mina.post('/v1/me/delete', { current_password: PASSWORD })).statusCode, 403)
  t.equal(await sessionStatus(mina), ALIVE, 'the existing session stays alive')
})

t.test('admins assign roles to users, and access tokens contain the roles from the next refresh on', async (t) => {
  const { service, mina, boss, joon } = await threePeople(t)
  t.equal(claimsOf(mina.token).roles, undefined)
  const given = await boss.patch(`/v1/users/${mina.id}`, { roles: ['writer', 'billing:read'] })
  t.match(given.json(), { role: 'user', roles: ['billing:read', 'writer'] })
  const { access_token: token } = (
    await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  ).json()
  t.match(claimsOf(token), { role: 'user', roles: ['billing:read', 'writer'] })
  t.match((await mina.get('/v1/me')).json(), { roles: ['billing:read', 'writer'] })
  t.same((await joon.get('/v1/me')).json().roles, [])
  t.same(claimsOf((await service.logIn('mina')).token).roles, ['billing:read', 'writer'])
  t.equal((await mina.get('/v1/users')).statusCode, 403, 'the roles grant nothing in Latchkey itself')

  const { items } = (await boss.get('/v1/events?type=user.roles_changed')).json()
  t.match(items, [{ user_id: mina.id, actor_id: boss.id, reason: '+billing:read +writer' }])
})

t.test('an assigned role that is named admin does not make its user an admin', async (t) => {
  const { service, mina, boss } = await threePeople(t)
  await boss.patch(`/v1/users/${mina.id}`, { roles: ['admin'] })
  const again = await service.logIn('mina')
  t.match(claimsOf(again.token), { role: 'user', roles: ['admin'] })
  t.match((await again.get('/v1/users')).json(), { status: 403, code: 'insufficient_scope' })
})

t.test('removing a role ends the sessions of the user, and adding a role does not', async (t) => {
  const { service, mina, boss, joon } = await threePeople(t)
  await boss.patch(`/v1/users/${mina.id}`, { roles: ['a'] })
  t.equal(await sessionStatus(mina), ALIVE)
  const again = await service.logIn('mina')
  await boss.patch(`/v1/users/${mina.id}`, { roles: ['b', 'a'] })
  t.equal(await sessionStatus(again), ALIVE)
  const last = await service.logIn('mina')
  const taken = await boss.patch(`/v1/users/${mina.id}`, { roles: ['b', 'c'] })
  t.same(taken.json().roles, ['b', 'c'])
  t.equal(await sessionStatus(last), DEAD)
  t.equal(await sessionStatus(joon), ALIVE)
})

t.test('malformed roles are rejected, and users cannot assign roles to themselves', async (t) => {
  const { mina, boss } = await threePeople(t)
  const refused = [
    'admin',
    null,
    [''],
    ['a b'],
    ['a,b'],
    ['a\n'],
    ['관리자'],
    ['a', 'a'],
    [7],
    ['x'.repeat(65)],
    Array.from({ length: 33 }, (_, n) => `r${n}`),
  ]
  for (const roles of refused) {
    const answer = await boss.patch(`/v1/users/${mina.id}`, { roles })
    t.match(answer.json(), { status: 400, code: 'validation_failed' }, JSON.stringify(roles))
  }
  const most = Array.from({ length: 32 }, (_, n) => `r${n}`.padEnd(64, 'x'))
  t.equal((await boss.patch(`/v1/users/${boss.id}`, { roles: most })).json().roles.length, 32)
  t.equal((await mina.patch('/v1/me', { roles: ['a'] })).statusCode, 400)
  t.equal((await mina.patch(`/v1/users/${mina.id}`, { roles: ['a'] })).statusCode, 403)
  t.same((await mina.get('/v1/me')).json().roles, [])
})

t.test('users set, change and remove their own language', async (t) => {
  const service = await startService(t)
  const registered = await service.post('/v1/register', { username: 'mina', password: PASSWORD, locale: 'ko-KR' })
  t.match(registered.json(), { user: { locale: 'ko-KR' } })
  const mina = await service.logIn('mina')
  t.match((await mina.patch('/v1/me', { locale: 'en' })).json(), { locale: 'en' })
  for (const locale of ['', 'e', 'en_US', 'en-', 'x'.repeat(36), 7, 'en\r\nBcc: x']) {
    t.equal((await mina.patch('/v1/me', { locale })).statusCode, 400, String(locale))
  }
  t.match((await mina.patch('/v1/me', { locale: null })).json(), { locale: null })
})

async function threePeople(t: Test): Promise<Record<'mina' | 'joon' | 'boss', Person> & { service: Service }> {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  return { service, mina, joon, boss: await signUpAdmin(service, 'boss') }
}
