import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { countBy, PASSWORD, Person, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'

t.test('an account is not deleted without its password', async (t) => {
  const { service, mina, elsewhere } = await twoPeople(t)
  const wrong = await mina.post('/v1/me/delete', { current_password: 'three loud lanterns' })
  t.match(wrong.json(), { status: 403, code: 'wrong_password' })
  const json = { 'content-type': 'application/json' }
  for (const body of ['{}', '[]', '', { current_password: '' }, { current_password: PASSWORD, user_id: 2 }]) {
    t.equal((await mina.post('/v1/me/delete', body, json)).statusCode, 400, JSON.stringify(body))
  }
  t.equal((await service.post('/v1/me/delete', { current_password: PASSWORD })).statusCode, 401)
  t.equal((await mina.delete('/v1/me')).statusCode, 405)
  t.equal(await sessionStatus(elsewhere), ALIVE)
  t.same(await rowsOf(service, mina.id), { users: 1, todos: 2, tutorials: 1, oneTimeTokens: 1, knownNetworks: 1 })
})

t.test('with the password the account, its sessions and its rows are deleted, and nothing else', async (t) => {
  const { service, mina, elsewhere, joon } = await twoPeople(t)
  const deleted = await mina.post('/v1/me/delete', { current_password: PASSWORD })
  t.equal(deleted.statusCode, 204)
  t.equal(deleted.body, '')
  for (const person of [mina, elsewhere]) t.equal(await sessionStatus(person), DEAD)
  for (const url of ['/v1/todos', '/v1/tutorials', '/v1/sessions', '/v1/verify']) {
    t.equal((await mina.get(url)).statusCode, 401, url)
  }
  t.same(await rowsOf(service, mina.id), { users: 0, todos: 0, tutorials: 0, oneTimeTokens: 0, knownNetworks: 0 })
  t.same(await rowsOf(service, joon.id), { users: 1, todos: 2, tutorials: 1, oneTimeTokens: 1, knownNetworks: 1 })
  t.equal(await sessionStatus(joon), ALIVE)
  const [gone, unknown] = [await logIn(service, 'mina'), await logIn(service, 'nobody')]
  t.match(gone.json(), { status: 401, code: 'invalid_credentials' })
  t.same({ ...gone.json(), request_id: '' }, { ...unknown.json(), request_id: '' })
})

t.test('a deleted user name can be registered again, and the old tokens do not open the new account', async (t) => {
  const { service, mina, elsewhere } = await twoPeople(t)
  await service.signUp('hana')
  // A database may reuse the highest id after its row is deleted.
  const last = await service.signUp('last')
  for (const person of [mina, last]) await person.post('/v1/me/delete', { current_password: PASSWORD })
  const [minaAgain, lastAgain] = [await service.signUp('mina'), await service.signUp('last')]
  t.same([minaAgain.id, lastAgain.id], [last.id + 1, last.id + 2])
  await minaAgain.post('/v1/todos', { title: 'of the new Mina' })
  for (const person of [mina, elsewhere, last]) t.equal(await sessionStatus(person), DEAD)
  t.equal((await mina.patch('/v1/me', { name: 'x' })).statusCode, 401)
  t.match(
    (await minaAgain.get('/v1/todos')).json().items,
    [{ title: 'of the new Mina' }],
    'the new account has no todo of the deleted one',
  )
  t.equal((await minaAgain.get('/v1/todos')).json().items.length, 1)
  t.match((await minaAgain.get('/v1/sessions')).json().items, { length: 1 })
})

t.test('of five deletions at once, one succeeds and the others get 401', async (t) => {
  const { mina } = await twoPeople(t)
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => mina.post('/v1/me/delete', { current_password: PASSWORD })),
  )
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 204: 1, 401: 4 },
  )
})

t.test('a log-in, refresh or new row during the deletion leaves no live session and no row', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const { db, tables } = service.app.database
  for (let round = 0; round < 10; round += 1) {
    const mina = await service.signUp('mina')
    const [deleted, refreshed, , ...logIns] = await Promise.all([
      mina.post('/v1/me/delete', { current_password: PASSWORD }),
      service.post('/v1/refresh', { refresh_token: mina.login.refresh_token }),
      mina.post('/v1/todos', { title: 'from the beyond' }),
      ...Array.from({ length: 5 }, () => logIn(service, 'mina')),
    ])
    t.equal(deleted.statusCode, 204)
    for (const answer of [refreshed, ...logIns]) {
      if (answer.statusCode === 200) t.equal(await sessionStatus(new Person(service, answer.json())), DEAD)
    }
    const live = (await db.select().from(tables.sessions)).filter(({ revokedAt }) => revokedAt === null)
    t.same([live.length, await db.$count(tables.todos)], [0, 0])
  }
})

async function twoPeople(t: Test) {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  for (const person of [mina, joon]) {
    for (const title of ['one', 'two']) await person.post('/v1/todos', { title })
    await person.post('/v1/tutorials', { name: 'Knots', description: '' })
    await boss.post(`/v1/users/${person.id}/password-reset`)
  }
  return { service, mina, elsewhere: await service.logIn('mina'), joon }
}

function logIn(service: Service, username: string) {
  return service.post('/v1/login', { username, password: PASSWORD })
}

async function rowsOf({ app }: Service, userId: number) {
  const { db, tables } = app.database
  const { users, todos, tutorials, oneTimeTokens, knownNetworks } = tables
  return {
    users: await db.$count(users, eq(users.id, userId)),
    todos: await db.$count(todos, eq(todos.userId, userId)),
    tutorials: await db.$count(tutorials, eq(tutorials.userId, userId)),
    oneTimeTokens: await db.$count(oneTimeTokens, eq(oneTimeTokens.userId, userId)),
    knownNetworks: await db.$count(knownNetworks, eq(knownNetworks.userId, userId)),
  }
}
