import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { countBy, PASSWORD, type Service, startService } from '../helper.js'
import { ALIVE, sessionStatus } from '../support/people.js'

const FIELDS = [
  'created_at',
  'email',
  'email_verified',
  'id',
  'locale',
  'name',
  'pending_email',
  'role',
  'roles',
  'updated_at',
  'username',
]
const WRONG = 'three loud lanterns'

t.test('the display name is changed without the password, and cleared with null', async (t) => {
  const { mina, joon } = await twoPeople(t)
  for (const name of ['Mina Kim', '김미나', null, 'x'.repeat(250)]) {
    const changed = await mina.patch('/v1/me', { name })
    t.equal(changed.statusCode, 200)
    t.same(Object.keys(changed.json()).sort(), FIELDS)
    t.match(changed.json(), { id: mina.id, username: 'mina', email: null, name, role: 'user' })
    t.same((await mina.get('/v1/me')).json(), changed.json())
  }
  t.match((await joon.get('/v1/me')).json(), { username: 'joon', name: null })
})

t.test('values that are sent back as they were read change nothing and need no password', async (t) => {
  const { service, mina } = await twoPeople(t)
  const { db, tables } = service.app.database
  const imported = {
    username: 'Mina Kim',
    usernameKey: 'mina kim',
    email: 'no-at',
    emailKey: 'no-at',
    name: 'a\u202eb',
  }
  await db.update(tables.users).set(imported).where(eq(tables.users.id, mina.id))
  const { username, email, name, locale, updated_at } = (await mina.get('/v1/me')).json()
  const back = await mina.patch('/v1/me', { username, email, name, locale })
  t.match(back.json(), { username, email, name, updated_at })
  const changed = await mina.patch('/v1/me', { username, email, name, locale: 'ko' })
  t.match(changed.json(), { username, email, name, locale: 'ko' })
  t.match((await mina.patch('/v1/me', { username: 'mina kim' })).json(), { errors: [{ path: '/current_password' }] })
  const renamed = await mina.patch('/v1/me', { username: 'Mina Lee', current_password: PASSWORD })
  t.match(renamed.json(), { status: 400, code: 'username_rejected' }, 'a new name follows the rules')
  const wrong = await mina.patch('/v1/me', { username, current_password: WRONG })
  t.match(wrong.json(), { status: 403, code: 'wrong_password' })
})

t.test('the user name and the e-mail address need the current password', async (t) => {
  const { service, mina } = await twoPeople(t)
  for (const change of [{ username: 'mina2' }, { email: 'mina@example.com' }, { username: null }]) {
    const name = JSON.stringify(change)
    const without = await mina.patch('/v1/me', { ...change, name: 'Mina' })
    t.match(without.json(), { status: 400, code: 'validation_failed', errors: [{ path: '/current_password' }] }, name)
    const wrong = await mina.patch('/v1/me', { ...change, name: 'Mina', current_password: WRONG })
    t.match(wrong.json(), { status: 403, code: 'wrong_password' }, name)
  }
  t.match((await mina.get('/v1/me')).json(), { username: 'mina', email: null, name: null }, 'nothing is stored')
  const changes = { username: 'Mina.Kim', email: 'Mina@Example.com', name: 'Mina' }
  const changed = await mina.patch('/v1/me', { ...changes, current_password: PASSWORD })
  t.match(changed.json(), { ...changes, id: mina.id, role: 'user' })
  t.notMatch(changed.body, PASSWORD)
  t.equal((await logIn(service, 'mina')).statusCode, 401)
  for (const name of ['mina.kim', 'MINA.KIM', 'mina@example.com', 'MINA@EXAMPLE.COM']) {
    t.match((await logIn(service, name)).json(), { user: { id: mina.id } }, name)
  }
  t.equal(await sessionStatus(mina), ALIVE, 'the session goes on')
})

t.test('wrong passwords in a session share one budget, separate from log-ins and other accounts', async (t) => {
  const { service, mina, joon } = await twoPeople(t)
  const endpoints = [
    (current_password: string) => mina.patch('/v1/me', { username: 'mina2', current_password }),
    (current_password: string) =>
      mina.post('/v1/me/password', { current_password, new_password: 'four louder lanterns' }),
    (current_password: string) => mina.post('/v1/me/delete', { current_password }),
  ]
  for (let n = 0; n < 10; n += 1) t.equal((await endpoints[n % endpoints.length]?.(WRONG))?.statusCode, 403)
  for (const endpoint of endpoints) {
    const answer = await endpoint(PASSWORD)
    t.match(answer.json(), { status: 429, code: 'too_many_attempts' })
    t.equal(answer.headers['retry-after'], '900')
  }
  t.match((await mina.get('/v1/me')).json(), { username: 'mina' })
  t.equal((await mina.patch('/v1/me', { name: 'Mina' })).statusCode, 200, 'a change that needs no password still works')
  t.equal((await joon.patch('/v1/me', { username: 'joon2', current_password: PASSWORD })).statusCode, 200)
  t.equal((await logIn(service, 'mina')).statusCode, 200)
})

t.test('a parallel burst of guesses does not exceed the budget', async (t) => {
  const { mina } = await twoPeople(t)
  const guesses = Array.from({ length: 20 }, () => mina.patch('/v1/me', { username: 'x', current_password: WRONG }))
  t.same(
    countBy(await Promise.all(guesses), ({ statusCode }) => statusCode),
    { 403: 10, 429: 10 },
  )
})

t.test('null removes the user name or the e-mail address, but not both', async (t) => {
  const { service, mina } = await twoPeople(t)
  const current_password = PASSWORD
  const nothingLeft = { status: 400, code: 'validation_failed' }
  t.match((await mina.patch('/v1/me', { username: null, current_password })).json(), nothingLeft)
  t.match((await mina.patch('/v1/me', { username: null, email: null, current_password })).json(), nothingLeft)
  t.match((await mina.get('/v1/me')).json(), { username: 'mina', email: null })
  await mina.patch('/v1/me', { email: 'mina@example.com', current_password })
  t.match((await mina.patch('/v1/me', { username: null, email: null, current_password })).json(), nothingLeft)
  const changed = await mina.patch('/v1/me', { username: null, current_password })
  t.match(changed.json(), { username: null, email: 'mina@example.com' })
  t.equal((await logIn(service, 'mina')).statusCode, 401)
  t.equal((await logIn(service, 'mina@example.com')).statusCode, 200)
  t.match((await mina.patch('/v1/me', { email: null, current_password })).json(), nothingLeft)
  const swapped = await mina.patch('/v1/me', { username: 'mina', email: null, current_password })
  t.match(swapped.json(), { username: 'mina', email: null })
})

t.test('of two simultaneous requests to remove the user name and the e-mail address, one is rejected', async (t) => {
  const { mina } = await twoPeople(t)
  const current_password = PASSWORD
  for (let round = 0; round < 5; round += 1) {
    await mina.patch('/v1/me', { username: 'mina', email: 'mina@example.com', current_password })
    const answers = await Promise.all([
      mina.patch('/v1/me', { username: null, current_password }),
      mina.patch('/v1/me', { email: null, current_password }),
    ])
    t.same(
      countBy(answers, ({ statusCode }) => statusCode),
      { 200: 1, 400: 1 },
    )
  }
})

t.test('the user name or e-mail address of another account is rejected in any spelling', async (t) => {
  const { service, mina, joon } = await twoPeople(t)
  const current_password = PASSWORD
  await joon.patch('/v1/me', { email: 'Joon@Example.com', current_password })
  const taken = {
    username_taken: ['joon', 'JOON', 'Joon', 'ｊｏｏｎ', 'ＪＯＯＮ'].map((username) => ({ username })),
    email_taken: ['Joon@Example.com', 'joon@example.com', 'JOON@EXAMPLE.COM', 'ｊoon@example.com'].map((email) => ({
      email,
    })),
  }
  for (const [code, changes] of Object.entries(taken)) {
    for (const change of changes) {
      const answer = await mina.patch('/v1/me', { ...change, name: 'Mina', current_password })
      t.match(answer.json(), { status: 409, code }, JSON.stringify(change))
      t.notMatch(answer.body, /joon/i)
    }
  }
  t.match((await mina.get('/v1/me')).json(), { username: 'mina', email: null, name: null })
  t.match((await joon.get('/v1/me')).json(), { username: 'joon', email: 'Joon@Example.com' })
  t.match((await mina.patch('/v1/me', { username: 'MINA', current_password })).json(), { username: 'MINA' })
  await joon.patch('/v1/me', { username: 'joon.park', current_password })
  t.match((await mina.patch('/v1/me', { username: 'joon', current_password })).json(), { username: 'joon' })
  t.match((await logIn(service, 'joon')).json(), { user: { id: mina.id } }, 'a name that was given up is free')
})

t.test('when two users claim the same name at once, one of them gets it', async (t) => {
  const { mina, joon } = await twoPeople(t)
  for (let round = 0; round < 5; round += 1) {
    const change = { username: `wanted${round}`, email: `wanted${round}@example.com`, current_password: PASSWORD }
    const answers = await Promise.all([mina.patch('/v1/me', change), joon.patch('/v1/me', change)])
    t.same(
      countBy(answers, ({ statusCode }) => statusCode),
      { 200: 1, 409: 1 },
    )
  }
})

t.test('a change to a name or address that breaks the rules is rejected', async (t) => {
  const { mina } = await twoPeople(t)
  const usernames = ['ab', 'a'.repeat(33), 'admin', 'ＡＤＭＩＮ', 'root', 'me', 'mina@home', 'mi na', 'аdmin', '_mina']
  const refused = [
    ...usernames.map((username) => ({ change: { username }, code: 'username_rejected' })),
    ...['mina', 'mina@', 'a@b@c.com', 'a＠b.co', 'a@b.co\r\nBcc:x', `${'a'.repeat(65)}@b.co`].map((email) => ({
      change: { email },
      code: 'email_rejected',
    })),
    ...[
      { username: '' },
      { email: '' },
      { name: '' },
      { name: 'x'.repeat(251) },
      { username: 1 },
      { email: ['x'] },
    ].map((change) => ({ change, code: 'validation_failed' })),
  ]
  for (const { change, code } of refused) {
    const answer = await mina.patch('/v1/me', { ...change, current_password: PASSWORD })
    t.match(answer.json(), { status: 400, code }, JSON.stringify(change).slice(0, 50))
  }
  t.match((await mina.get('/v1/me')).json(), { username: 'mina', email: null, name: null })
})

t.test('fields that users may not change are rejected, and nothing is stored', async (t) => {
  const { service, mina, joon } = await twoPeople(t)
  const before = await rowOf(service, mina.id)
  const foreign = [
    { role: 'admin' },
    { is_active: false },
    { isActive: true },
    { id: joon.id },
    { user_id: joon.id },
    { password: 'four louder lanterns' },
    { new_password: 'four louder lanterns' },
    { password_hash: '$2b$04$x' },
    { passwordHash: '$2b$04$x' },
    { username_key: 'joon' },
    { usernameKey: 'joon' },
    { created_at: '2020-01-01T00:00:00Z' },
    { createdAt: 1 },
  ]
  for (const fields of foreign) {
    const answer = await mina.patch('/v1/me', { name: 'Mina', current_password: PASSWORD, ...fields })
    t.match(answer.json(), { status: 400, code: 'validation_failed' }, JSON.stringify(fields))
  }
  const json = { 'content-type': 'application/json' }
  for (const body of ['{"name":"x","__proto__":{"role":"admin"}}', '{"constructor":{"prototype":{}}}', '{}', '[]']) {
    t.equal((await mina.patch('/v1/me', body, json)).statusCode, 400, body)
  }
  t.same(await rowOf(service, mina.id), before)
})

t.test('requests to change a deleted account return 401', async (t) => {
  const { service, mina } = await twoPeople(t)
  const { db, tables } = service.app.database
  await db.delete(tables.users).where(eq(tables.users.id, mina.id))
  const answers = {
    name: await mina.patch('/v1/me', { name: 'Mina' }),
    username: await mina.patch('/v1/me', { username: 'mina2', current_password: PASSWORD }),
    password: await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: 'four louder lanterns' }),
    delete: await mina.post('/v1/me/delete', { current_password: PASSWORD }),
  }
  for (const [name, answer] of Object.entries(answers)) {
    t.match(answer.json(), { status: 401, code: 'invalid_token' }, name)
  }
})

async function twoPeople(t: Test) {
  const service = await startService(t)
  return { service, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}

function logIn(service: Service, username: string, password = PASSWORD) {
  return service.post('/v1/login', { username, password })
}

async function rowOf({ app }: Service, id: number) {
  const { db, tables } = app.database
  return db.select().from(tables.users).where(eq(tables.users.id, id))
}
