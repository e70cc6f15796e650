import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { PASSWORD, type Person, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'

// Each case starts its own service.
t.setTimeout(240_000)

const NEXT = 'four louder lanterns'
const REFUSED = { status: 400, code: 'invalid_reset_token' }

t.test('admins cannot create reset tokens for themselves or for other admins', async (t) => {
  const { service, boss } = await people(t)
  const other = await signUpAdmin(service, 'other')
  for (const { id } of [boss, other]) {
    const answer = await boss.post(`/v1/users/${id}/password-reset`)
    t.match(answer.json(), { status: 403, code: 'account_protected' })
    t.notMatch(answer.body, /"token"/)
  }
  const { db, tables } = service.app.database
  t.equal(Number(await db.$count(tables.oneTimeTokens)), 0)
  t.same((await boss.get('/v1/events?type=password_reset.created')).json().items, [])
})

t.test('the command line creates a reset token for an admin, which works once', async (t) => {
  const { service, boss } = await people(t)
  const made = await service.app.administration.createPasswordReset(boss.id, { id: null })
  const token = made?.token ?? ''
  t.equal((await reset(service, token)).statusCode, 204)
  t.equal(await sessionStatus(boss), DEAD)
  t.equal((await service.logIn('boss', NEXT)).id, boss.id)
  t.match((await reset(service, token)).json(), REFUSED)
})

t.test('a reset token is void once the admin who created it is demoted, disabled or deleted', async (t) => {
  const ends: Record<string, (service: Service, ada: Person, boss: Person) => unknown> = {
    demoted: (_service, ada, boss) => boss.patch(`/v1/users/${ada.id}`, { role: 'user' }),
    'demoted and promoted again': async (_service, ada, boss) => {
      await boss.patch(`/v1/users/${ada.id}`, { role: 'user' })
      await boss.patch(`/v1/users/${ada.id}`, { role: 'admin' })
    },
    disabled: (_service, ada, boss) => boss.patch(`/v1/users/${ada.id}`, { is_active: false }),
    deleted: (_service, ada, boss) => boss.delete(`/v1/users/${ada.id}`),
    'deleted by themselves': (_service, ada) => ada.post('/v1/me/delete', { current_password: PASSWORD }),
    'demoted in the database alone': ({ app }, ada) =>
      app.database.db
        .update(app.database.tables.users)
        .set({ role: 'user' })
        .where(eq(app.database.tables.users.id, ada.id)),
    'disabled in the database alone': ({ app }, ada) =>
      app.database.db
        .update(app.database.tables.users)
        .set({ isActive: false })
        .where(eq(app.database.tables.users.id, ada.id)),
  }
  for (const [name, end] of Object.entries(ends)) {
    const { service, boss, mina } = await people(t)
    const ada = await signUpAdmin(service, 'ada')
    const token = await makeToken(ada, mina)
    await end(service, ada, boss)
    t.match((await reset(service, token)).json(), REFUSED, name)
    t.equal(await sessionStatus(mina), ALIVE, name)
    t.equal((await service.logIn('mina')).id, mina.id, 'the old password still works')
    t.equal((await reset(service, await makeToken(boss, mina))).statusCode, 204, 'a token of another admin works')
  }
})

t.test('a reset token made by an admin is void once its user has become an admin', async (t) => {
  const { service, boss, mina } = await people(t)
  const token = await makeToken(boss, mina)
  await boss.patch(`/v1/users/${mina.id}`, { role: 'admin' })
  t.match((await reset(service, token)).json(), REFUSED)
  t.equal((await service.logIn('mina')).id, mina.id)
})

t.test('a token is void once its account was logged out everywhere or disabled', async (t) => {
  const ends: Record<string, (mina: Person, boss: Person) => unknown> = {
    'logged out by an admin': (mina, boss) => boss.delete(`/v1/users/${mina.id}/sessions`),
    'its other sessions ended, although there were none': (mina) => mina.delete('/v1/sessions'),
    'disabled and enabled': async (mina, boss) => {
      await boss.patch(`/v1/users/${mina.id}`, { is_active: false })
      await boss.patch(`/v1/users/${mina.id}`, { is_active: true })
    },
  }
  for (const [name, end] of Object.entries(ends)) {
    const { service, boss, mina, joon } = await people(t)
    const [token, joons] = [await makeToken(boss, mina), await makeToken(boss, joon)]
    await end(mina, boss)
    t.match((await reset(service, token)).json(), REFUSED, name)
    t.equal((await service.logIn('mina')).id, mina.id)
    t.equal((await reset(service, joons)).statusCode, 204, 'the token of another user stays valid')
  }
})

t.test('only the newest reset token of an account is valid', async (t) => {
  const { service, boss, mina } = await people(t)
  const other = await signUpAdmin(service, 'other')
  const first = await makeToken(boss, mina)
  const second = await makeToken(other, mina)
  t.match((await reset(service, first)).json(), REFUSED)
  t.equal((await reset(service, second)).statusCode, 204)
  await Promise.all(Array.from({ length: 8 }, (_, n) => makeToken(n % 2 ? boss : other, mina)))
  const { db, tables } = service.app.database
  t.equal(Number(await db.$count(tables.oneTimeTokens)), 1, 'one token is left of eight created at once')
})

t.test('a token that expires while the new password is hashed is rejected', async (t) => {
  const { service, boss, mina } = await people(t)
  const token = await makeToken(boss, mina)
  const { database, oneTimeTokens, newPasswords } = service.app
  const grant = await oneTimeTokens.find(['password_reset'], { token }, '192.0.2.7')
  const passwordHash = await newPasswords.hash(grant.user, NEXT)
  await database.db.update(database.tables.oneTimeTokens).set({ expiresAt: Date.now() - 60_000 })
  await t.rejects(newPasswords.reset(grant, passwordHash, { ip: '192.0.2.7' }), {
    code: 'invalid_reset_token',
  })
  t.equal(await sessionStatus(mina), ALIVE)
  t.equal((await service.logIn('mina')).id, mina.id)
})

async function people(t: Test) {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  return { service, boss, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}

async function makeToken(maker: Person, { id }: Person): Promise<string> {
  return (await maker.post(`/v1/users/${id}/password-reset`)).json().token
}

function reset(service: Service, token: string) {
  return service.post('/v1/password-reset', { token, new_password: NEXT })
}
