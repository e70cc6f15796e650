import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { PASSWORD, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'

const LAST_ADMIN = { status: 409, code: 'last_admin' }

t.test('a change to other fields, or to an invalid role or status, is rejected and not stored', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const before = await rowOf(service, mina.id)
  const refused = [
    {},
    [],
    { password: 'four louder lanterns' },
    { new_password: 'four louder lanterns' },
    { password_hash: 'x' },
    { username: 'mina2' },
    { email: 'mina@example.com' },
    { name: 'Mina' },
    { id: 7 },
    { isActive: false },
    { role: 'owner' },
    { role: 'Admin' },
    { role: null },
    { role: ['admin'] },
    { is_active: 'false' },
    { is_active: 0 },
    { is_active: null },
  ]
  for (const body of refused) {
    for (const rest of Array.isArray(body) || Object.keys(body).length === 0 ? [{}] : [{}, { is_active: false }]) {
      const answer = await boss.patch(`/v1/users/${mina.id}`, Array.isArray(body) ? body : { ...rest, ...body })
      t.match(answer.json(), { status: 400, code: 'validation_failed' }, JSON.stringify(body))
    }
  }
  t.same(await rowOf(service, mina.id), before)
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('disabling an account ends all its sessions at once, and log-ins fail as for an unknown user', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  const elsewhere = await service.logIn('mina')
  const disabled = await boss.patch(`/v1/users/${mina.id}`, { is_active: false })
  t.match(disabled.json(), { id: mina.id, is_active: false, role: 'user' })
  for (const person of [mina, elsewhere]) t.equal(await sessionStatus(person), DEAD)
  const [refused, unknown] = [await logIn(service, 'mina'), await logIn(service, 'nobody')]
  t.match(refused.json(), { status: 401, code: 'invalid_credentials' })
  t.same({ ...refused.json(), request_id: '' }, { ...unknown.json(), request_id: '' })
  t.same(Object.keys(refused.headers).sort(), Object.keys(unknown.headers).sort())
  t.equal((await service.post('/v1/register', { username: 'Mina', password: PASSWORD })).statusCode, 409)
  for (const person of [boss, joon]) t.equal(await sessionStatus(person), ALIVE)

  const enabled = await boss.patch(`/v1/users/${mina.id}`, { is_active: true })
  t.match(enabled.json(), { id: mina.id, is_active: true })
  for (const person of [mina, elsewhere]) t.equal(await sessionStatus(person), DEAD, 'the old sessions stay ended')
  t.equal(await sessionStatus(await service.logIn('mina')), ALIVE)
})

t.test('a demoted admin loses all sessions at once, and logs in again as a normal user', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  t.match((await boss.patch(`/v1/users/${mina.id}`, { role: 'admin' })).json(), { role: 'admin', is_active: true })
  t.equal(await sessionStatus(mina), ALIVE, 'a promotion ends no session')
  const [admin, elsewhere] = [await service.logIn('mina'), await service.logIn('mina')]
  t.equal((await admin.get('/v1/users')).statusCode, 200)
  t.match((await boss.patch(`/v1/users/${mina.id}`, { role: 'user' })).json(), { role: 'user', is_active: true })
  t.match((await admin.get('/v1/users')).json(), { status: 401, code: 'invalid_token' })
  for (const person of [admin, elsewhere]) t.equal(await sessionStatus(person), DEAD)
  const again = await service.logIn('mina')
  t.equal((await again.get('/v1/users')).statusCode, 403)
  t.equal((await again.patch(`/v1/users/${mina.id}`, { role: 'admin' })).statusCode, 403)
  t.equal(await sessionStatus(boss), ALIVE)
})

t.test('a deleted account is gone, with its sessions and rows', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  for (const person of [mina, joon]) await person.post('/v1/todos', { title: `of ${person.id}` })
  const deleted = await boss.delete(`/v1/users/${mina.id}`)
  t.equal(deleted.statusCode, 204)
  t.equal(deleted.body, '')
  t.equal(await sessionStatus(mina), DEAD)
  t.equal((await logIn(service, 'mina')).statusCode, 401)
  t.equal((await boss.get(`/v1/users/${mina.id}`)).statusCode, 404)
  t.equal((await boss.delete(`/v1/users/${mina.id}`)).statusCode, 404)
  const { db, tables } = service.app.database
  t.match(await db.select({ title: tables.todos.title }).from(tables.todos), [{ title: `of ${joon.id}` }])
  t.ok((await service.signUp('mina')).id > joon.id)
  for (const person of [boss, joon]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('an admin ends all sessions of a user, who can log in again', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  const elsewhere = await service.logIn('mina')
  const ended = await boss.delete(`/v1/users/${mina.id}/sessions`)
  t.equal(ended.statusCode, 204)
  t.equal(ended.body, '')
  for (const person of [mina, elsewhere]) t.equal(await sessionStatus(person), DEAD)
  t.equal((await boss.delete(`/v1/users/${mina.id}/sessions`)).statusCode, 204, 'also when there are no sessions')
  t.equal(await sessionStatus(await service.logIn('mina')), ALIVE)
  for (const person of [boss, joon]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('the last admin cannot be demoted, disabled or deleted, over the API or the command line', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const other = await signUpAdmin(service, 'other')
  await boss.patch(`/v1/users/${other.id}`, { is_active: false })
  const url = `/v1/users/${boss.id}`
  const attempts = {
    demote: () => boss.patch(url, { role: 'user' }),
    disable: () => boss.patch(url, { is_active: false }),
    both: () => boss.patch(url, { role: 'user', is_active: false }),
    'demote, and enable': () => boss.patch(url, { role: 'user', is_active: true }),
    'delete oneself': () => boss.post('/v1/me/delete', { current_password: PASSWORD }),
  }
  for (const [name, attempt] of Object.entries(attempts)) t.match((await attempt()).json(), LAST_ADMIN, name)
  const { accounts, administration } = service.app
  await t.rejects(
    administration.change(boss.id, { role: 'user' }, { id: null }),
    { code: 'last_admin' },
    'the command line',
  )
  await t.rejects(accounts.delete(boss.id, { id: null }), { code: 'last_admin' }, 'the command line')
  t.match((await boss.get(url)).json(), { role: 'admin', is_active: true })
  t.match((await boss.patch(url, { role: 'admin', is_active: true })).json(), { role: 'admin', is_active: true })
  t.equal(await sessionStatus(boss), ALIVE, 'the rejected attempts end no session of the admin')
  t.equal((await boss.post('/v1/me/delete', { current_password: 'three loud lanterns' })).statusCode, 403)
  // A disabled admin or a plain user does not count as another admin; an active admin does.
  t.equal((await boss.delete(`/v1/users/${other.id}`)).statusCode, 204)
  await boss.patch(`/v1/users/${mina.id}`, { role: 'admin' })
  const again = await service.logIn('boss')
  t.equal((await again.patch(url, { role: 'user' })).statusCode, 200)
  t.equal(await sessionStatus(again), DEAD)
})

t.test('one of two admins can delete their account, and then the other cannot', async (t) => {
  const { service, boss } = await threePeople(t)
  const other = await signUpAdmin(service, 'other')
  t.equal((await boss.post('/v1/me/delete', { current_password: PASSWORD })).statusCode, 204)
  t.match((await other.post('/v1/me/delete', { current_password: PASSWORD })).json(), LAST_ADMIN)
  t.equal((await other.get('/v1/users')).statusCode, 200)
})

t.test('admins delete their own account only with the password, not with an access token alone', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const other = await signUpAdmin(service, 'other')
  const refused = await other.delete(`/v1/users/${other.id}`)
  t.match(refused.json(), { status: 403, code: 'account_protected', detail: /\/v1\/me\/delete/ })
  t.equal(await sessionStatus(other), ALIVE)
  t.equal((await boss.delete(`/v1/users/${mina.id}`)).statusCode, 204)
  const again = await service.logIn('other')
  t.equal((await again.post('/v1/me/delete', { current_password: PASSWORD })).statusCode, 204)
})

// An access token can keep the admin role for a second after another process removed it. Without a check in the
// database, a former admin could promote themselves again in that second.
t.test('a former admin whose access token this process still accepts cannot change any account', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const evil = await signUpAdmin(service, 'evil')
  const { db, tables } = service.app.database
  const isEvil = eq(tables.users.id, evil.id)
  const before = await rowOf(service, mina.id)
  for (const blow of [{ role: 'user' as const }, { isActive: false }]) {
    await db
      .update(tables.users)
      .set({ role: 'admin', isActive: true, ...blow })
      .where(isEvil)
    const attempts = {
      'promote themselves again': await evil.patch(`/v1/users/${evil.id}`, { role: 'admin', is_active: true }),
      'promote a friend': await evil.patch(`/v1/users/${mina.id}`, { role: 'admin' }),
      'create a password reset': await evil.post(`/v1/users/${boss.id}/password-reset`),
      'log out another user': await evil.delete(`/v1/users/${boss.id}/sessions`),
      'delete another user': await evil.delete(`/v1/users/${boss.id}`),
    }
    for (const [name, { statusCode, body }] of Object.entries(attempts)) {
      t.ok([401, 403].includes(statusCode), `${name}: ${statusCode} ${body}`)
    }
    t.match(await rowOf(service, evil.id), [blow])
    t.same(await rowOf(service, mina.id), before)
    t.equal((await boss.get('/v1/verify')).statusCode, 204)
  }
})

async function threePeople(t: Test) {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  return { service, boss, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}

function logIn(service: Service, username: string) {
  return service.post('/v1/login', { username, password: PASSWORD })
}

async function rowOf({ app }: Service, id: number) {
  const { db, tables } = app.database
  return db.select().from(tables.users).where(eq(tables.users.id, id))
}
