import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.js'
import { claimsOf, PASSWORD, type Person, Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'

const MINUTE = 60_000

t.test('the 101st session of a user ends the oldest session, and no other', async (t) => {
  const service = await startService(t)
  const joon = await service.signUp('joon')
  const oldest = await service.signUp('mina')
  await sleep(2)
  const second = await service.logIn('mina')
  await addSessions(service, 98, { userId: oldest.id, createdAt: Date.now() + MINUTE })
  t.equal((await oldest.get('/v1/sessions')).json().items.length, 100)
  t.equal((await oldest.get('/v1/me')).statusCode, 200, 'a hundred sessions are allowed')
  const newest = await service.logIn('mina')
  t.equal(await sessionStatus(oldest), DEAD)
  for (const person of [second, newest, joon]) t.equal(await sessionStatus(person), ALIVE)
  t.equal((await newest.get('/v1/sessions')).json().items.length, 100)
  const ended = { type: 'session.ended', reason: 'over the limit of 100 sessions' }
  t.match(await endingsOf(service), [{ ...ended, userId: oldest.id, actorId: oldest.id, sessionId: sessionOf(oldest) }])
  t.equal((await endingsOf(service)).length, 1)
})

t.test('sessions of the tutorials API and other sessions of a user have separate limits', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const browser = await service.signUp('mina')
  const script = () =>
    service.app.inject({ method: 'POST', url: '/login', payload: { username: 'mina', password: PASSWORD } })
  const first: string = (await script()).json().access_token
  await sleep(2)
  const createdAt = Date.now() + MINUTE
  await addSessions(service, 99, { userId: browser.id, createdAt, kind: 'compat' })
  t.equal(
    (await service.get('/v1/me', { authorization: `Bearer ${first}` })).statusCode,
    200,
    'a hundred sessions are allowed',
  )
  const last: string = (await script()).json().access_token
  t.equal((await service.get('/v1/me', { authorization: `Bearer ${first}` })).statusCode, 401)
  t.equal((await service.get('/v1/me', { authorization: `Bearer ${last}` })).statusCode, 200)
  t.match(await endingsOf(service), [{ sessionId: claimsOf(first).sid, reason: 'over the limit of 100 sessions' }])
  t.equal((await endingsOf(service)).length, 1)
  t.equal(await sessionStatus(browser), ALIVE)
  await service.logIn('mina')
  t.equal((await service.get('/v1/me', { authorization: `Bearer ${last}` })).statusCode, 200)
  t.equal((await endingsOf(service)).length, 1)
})

t.test('simultaneous log-ins do not exceed the limit of sessions', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const { id: userId } = await service.signUp('mina')
  await addSessions(service, 95, { userId })
  const people = await Promise.all(Array.from({ length: 20 }, () => service.logIn('mina')))
  const [mina] = people as [Person]
  t.equal((await mina.get('/v1/sessions')).json().items.length, 100)
  for (const person of people) t.equal((await person.get('/v1/me')).statusCode, 200)
})

t.test('sessions that are over and sessions of other users do not count towards the limit', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await addSessions(service, 100, { userId: mina.id, createdAt: Date.now() + MINUTE, revokedAt: 1 })
  await addSessions(service, 100, { userId: mina.id, createdAt: Date.now() + MINUTE, idleExpiresAt: 1 })
  await addSessions(service, 100, { userId: joon.id })
  await service.logIn('mina')
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('an expired session is not listed, and cannot be refreshed', async (t) => {
  const service = await startService(t)
  const [mina, elsewhere] = [await service.signUp('mina'), await service.logIn('mina')]
  const { db, tables } = service.app.database
  await db
    .update(tables.sessions)
    .set({ idleExpiresAt: Date.now() - 1 })
    .where(eq(tables.sessions.id, sessionOf(elsewhere)))
  const { items } = (await mina.get('/v1/sessions')).json()
  t.match(items, [{ id: sessionOf(mina) }])
  t.equal(items.length, 1)
  const { refresh_token } = elsewhere.login
  t.match((await service.post('/v1/refresh', { refresh_token })).json(), { status: 400, code: 'invalid_grant' })
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('pruning deletes only sessions that are over and whose access tokens have expired', async (t) => {
  const service = await startService(t)
  const { db, tables } = service.app.database
  const now = Date.now()
  const rows = [
    { id: 'live', stays: true },
    { id: 'live, access token expired', stays: true, tokenExpiresAt: now - MINUTE },
    { id: 'revoked', stays: true, revokedAt: now - MINUTE },
    { id: 'revoked long ago, access token alive', stays: true, revokedAt: 1 },
    { id: 'revoked, access token expired', stays: false, revokedAt: now - MINUTE, tokenExpiresAt: now - MINUTE },
    { id: 'expired, access token alive', stays: true, idleExpiresAt: now - MINUTE },
    { id: 'expired, access token too', stays: false, idleExpiresAt: now - MINUTE, tokenExpiresAt: now - MINUTE },
    { id: 'all of it', stays: false, revokedAt: 1, idleExpiresAt: 1, tokenExpiresAt: 1 },
  ]
  for (const { stays, ...row } of rows) await addSessions(service, 1, row)
  await service.app.sessions.prune()
  const left = await db.select({ id: tables.sessions.id }).from(tables.sessions)
  t.same(left.map(({ id }) => id).sort(), rows.flatMap(({ id, stays }) => (stays ? [id] : [])).sort())
})

t.test('pruning neither revives an ended session nor ends a live one', async (t) => {
  const service = await startService(t)
  const [mina, elsewhere, joon] = [
    await service.signUp('mina'),
    await service.logIn('mina'),
    await service.signUp('joon'),
  ]
  await mina.delete('/v1/sessions')
  await service.app.sessions.prune()
  t.equal(await sessionStatus(elsewhere), DEAD)
  for (const person of [mina, joon]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('a session that ends for any reason ends in other processes within a second', async (t) => {
  const service = await startService(t)
  const other = await startSecond(t, service)
  const boss = await signUpAdmin(service, 'boss')
  const joon = await service.signUp('joon')
  const ends: Record<string, (victim: Person, mina: Person) => Promise<unknown>> = {
    'ended by its owner': (victim, mina) => mina.delete(`/v1/sessions/${sessionOf(victim)}`),
    'ended with all others': (_victim, mina) => mina.delete('/v1/sessions'),
    'ended by an admin': ({ id }) => boss.delete(`/v1/users/${id}/sessions`),
    'of a disabled user': ({ id }) => boss.patch(`/v1/users/${id}`, { is_active: false }),
    'of a deleted user': ({ id }) => boss.delete(`/v1/users/${id}`),
  }
  for (const [index, [name, end]] of Object.entries(ends).entries()) {
    const mina = await service.signUp(`mina${index}`)
    const victim = await service.logIn(`mina${index}`)
    const there = { authorization: `Bearer ${victim.token}` }
    t.equal((await other.get('/v1/verify', there)).statusCode, 204)
    await end(victim, mina)
    const endedAt = performance.now()
    while ((await other.get('/v1/verify', there)).statusCode === 204) {
      if (performance.now() - endedAt > 10_000) throw new Error(`${name}: not in time`)
      await sleep(10)
    }
    // The service promises one second; the rest is for a busy machine.
    t.ok(performance.now() - endedAt < 1_500, name)
    t.match((await other.get('/v1/verify', there)).json(), { code: 'invalid_token' }, name)
    const { refresh_token } = victim.login
    t.match((await other.post('/v1/refresh', { refresh_token })).json(), { code: 'invalid_grant' }, name)
  }
  t.equal((await other.get('/v1/verify', { authorization: `Bearer ${joon.token}` })).statusCode, 204)
})

/** A second replica in this process: the same database and settings, but no shared memory. */
async function startSecond(t: Test, first: Service): Promise<Service> {
  const app = await buildApp(first.app.config)
  t.teardown(() => app.close())
  await app.ready()
  return new Service(app, first.contract)
}

function sessionOf({ token }: Person): string {
  return String(claimsOf(token).sid)
}

function endingsOf({ app: { database } }: Service) {
  const { events } = database.tables
  return database.db.select().from(events).where(eq(events.type, 'session.ended'))
}

type Row = Partial<Service['app']['database']['tables']['sessions']['$inferInsert']>

/** Inserts this many live sessions without a log-in for each. */
async function addSessions({ app }: Service, count: number, row: Row): Promise<void> {
  const { db, tables } = app.database
  const [before, later] = [Date.now() - MINUTE, Date.now() + MINUTE]
  const rows = Array.from({ length: count }, () => ({
    ...{ id: randomUUID(), userId: 1, ip: '127.0.0.1', createdAt: before, lastUsedAt: before },
    ...{ idleExpiresAt: later, expiresAt: later, tokenExpiresAt: later },
    ...row,
  }))
  await db.insert(tables.sessions).values(rows)
}
