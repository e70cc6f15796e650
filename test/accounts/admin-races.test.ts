import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { and, eq, isNull } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { PASSWORD, Person, type Service, startService, temporaryFolder } from '../helper.js'
import { type Child, serving } from '../support/child.js'
import { DEAD, sessionStatus, signUpAdmin } from '../support/people.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(120_000)

const ROUNDS = 20
const FEWER_ROUNDS = 8
const ALLOWED = [200, 204, 401, 403, 404, 409]

t.test('when two admins demote or disable each other at once, exactly one admin remains', async (t) => {
  const service = await startService(t)
  await fight(t, service, (person, url, payload) => person.patch(url, payload))
})

// One process runs SQLite statements synchronously, so requests can interleave only between two processes.
t.test('when two admins demote or disable each other through two processes, exactly one admin remains', async (t) => {
  const folder = await temporaryFolder(t)
  const service = await startService(t, { DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}` })
  const settings = { DATABASE_URL: 'sqlite:./latchkey.db', PUBLIC_URL: service.app.config.PUBLIC_URL }
  const processes = await Promise.all([serving(t, { folder, settings }), serving(t, { folder, settings })])
  let turn = 0
  await fight(t, service, async ({ token }, url, body) => {
    turn += 1
    const { status } = await (processes[turn % 2] as Child).request('PATCH', url, { token, body })
    return { statusCode: status }
  })
})

t.test('when three admins delete, demote and disable each other at once, at least one admin remains', async (t) => {
  const service = await startService(t)
  for (let round = 0; round < FEWER_ROUNDS; round += 1) {
    const [a, b, c] = [await admin(service, 'anna'), await admin(service, 'boram'), await admin(service, 'chul')]
    const answers = await Promise.all([
      a.delete(`/v1/users/${b.id}`),
      b.patch(`/v1/users/${c.id}`, { role: 'user' }),
      c.patch(`/v1/users/${a.id}`, { is_active: false }),
      a.patch(`/v1/users/${c.id}`, { role: 'user', is_active: false }),
      b.delete(`/v1/users/${a.id}`),
      c.delete(`/v1/users/${b.id}`),
    ])
    for (const { statusCode, body } of answers) t.ok(ALLOWED.includes(statusCode), body)
    t.ok((await countAdmins(service)) >= 1, `round ${round}`)
  }
})

t.test('when two admins delete their own accounts at once, one gets 409 and remains an admin', async (t) => {
  const service = await startService(t)
  for (let round = 0; round < FEWER_ROUNDS; round += 1) {
    const admins = [await admin(service, 'anna'), await admin(service, 'boram')]
    const answers = await Promise.all(
      admins.map((person) => person.post('/v1/me/delete', { current_password: PASSWORD })),
    )
    t.same(answers.map(({ statusCode }) => statusCode).sort(), [204, 409])
    t.equal(await countAdmins(service), 1)
  }
})

t.test('a refresh or log-in at the moment the account is disabled leaves no live session', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const boss = await signUpAdmin(service, 'boss')
  const { id } = await service.signUp('mina')
  for (let round = 0; round < FEWER_ROUNDS; round += 1) {
    const mina = await service.logIn('mina')
    const before = waysIn(mina)
    await sleep(round)
    const disabled = boss.patch(`/v1/users/${id}`, { is_active: false })
    const others = await Promise.all([...before, ...waysIn(mina)])
    t.equal((await disabled).statusCode, 200)
    t.equal(await countLiveSessions(service, id), 0)
    for (const answer of others) {
      if (answer.statusCode === 200) t.equal(await sessionStatus(new Person(service, answer.json())), DEAD)
    }
    await boss.patch(`/v1/users/${id}`, { is_active: true })
  }
})

t.test('a refresh or log-in at the moment of a demotion yields no valid admin token', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const boss = await signUpAdmin(service, 'boss')
  for (let round = 0; round < FEWER_ROUNDS; round += 1) {
    const mina = await admin(service, 'mina')
    const before = waysIn(mina)
    await sleep(round)
    const demoted = boss.patch(`/v1/users/${mina.id}`, { role: 'user' })
    const others = await Promise.all([...before, ...waysIn(mina)])
    t.equal((await demoted).statusCode, 200)
    for (const answer of others) {
      if (answer.statusCode !== 200) continue
      const { statusCode } = await new Person(service, answer.json()).get('/v1/users')
      t.ok([401, 403].includes(statusCode), `${statusCode}`)
    }
  }
})

function waysIn({ service, login }: Person) {
  const { refresh_token } = login
  const logIn = () => service.post('/v1/login', { username: 'mina', password: PASSWORD })
  return [service.post('/v1/refresh', { refresh_token }), logIn(), logIn(), logIn()]
}

type Strike = (person: Person, url: string, payload: object) => Promise<{ statusCode: number }>

/** Lets the only two admins demote or disable each other, and checks that one remains. */
async function fight(t: Test, service: Service, strike: Strike): Promise<void> {
  const blows = [{ role: 'user' }, { is_active: false }] as const
  for (let round = 0; round < ROUNDS; round += 1) {
    const [a, b] = [await admin(service, 'anna'), await admin(service, 'boram')]
    const answers = await Promise.all([
      strike(a, `/v1/users/${b.id}`, blows[round % 2 ? 1 : 0]),
      strike(b, `/v1/users/${a.id}`, blows[round % 3 ? 1 : 0]),
    ])
    for (const { statusCode } of answers) t.ok(ALLOWED.includes(statusCode), `${statusCode}`)
    t.equal(await countAdmins(service), 1, `round ${round}`)
  }
}

/** Logs this user in as an active admin; creates the account if needed. */
async function admin(service: Service, username: string): Promise<Person> {
  const { db, tables } = service.app.database
  const isThem = eq(tables.users.usernameKey, username)
  if ((await db.$count(tables.users, isThem)) === 0) await service.signUp(username)
  await db.update(tables.users).set({ role: 'admin', isActive: true }).where(isThem)
  return service.logIn(username)
}

function countAdmins({ app }: Service): Promise<number> {
  const { db, tables } = app.database
  return db.$count(tables.users, and(eq(tables.users.role, 'admin'), eq(tables.users.isActive, true)))
}

function countLiveSessions({ app }: Service, userId: number): Promise<number> {
  const { db, tables } = app.database
  return db.$count(tables.sessions, and(eq(tables.sessions.userId, userId), isNull(tables.sessions.revokedAt)))
}
