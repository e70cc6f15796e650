import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import type { Tables } from '../../src/database/database.js'
import { claimsOf, type Person, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus } from '../support/people.js'

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const HOUR_MS = 3_600_000

t.test('access tokens say how and when their user logged in, also after a refresh', async (t) => {
  const { service, mina } = await twoPeople(t)
  const { auth_time, iat, amr } = claimsOf(mina.token)
  t.same(amr, ['pwd'])
  t.ok(Math.abs(Number(auth_time) - Number(iat)) <= 5)
  const loggedInAt = Date.now() - HOUR_MS
  await change(service, sidOf(mina), { authTime: loggedInAt, amr: 'hwk user' })
  for (const url of ['/v1/refresh', '/v1/refresh']) {
    const { access_token } = (await service.post(url, { refresh_token: mina.login.refresh_token })).json()
    t.match(claimsOf(access_token), { auth_time: Math.floor(loggedInAt / 1_000), amr: ['hwk', 'user'] })
  }
})

t.test('access tokens of the tutorials API have no auth_time, no amr and no roles', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const form = new URLSearchParams({ username: 'mina', password: 'three quiet lanterns' }).toString()
  const answer = await service.app.inject({ method: 'POST', url: '/api/user/login', headers: FORM, payload: form })
  t.equal(answer.statusCode, 200)
  const claims = claimsOf(answer.json().access_token)
  t.equal(claims.sub, String(mina.id))
  for (const name of ['auth_time', 'amr', 'role', 'roles']) t.notOk(name in claims, name)
})

t.test('the refresh token of another client is rejected, and the session of that client stays alive', async (t) => {
  const { service, mina } = await twoPeople(t)
  await change(service, sidOf(mina), { clientId: 'shop' })
  const { refresh_token } = mina.login
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, client_id: 'shop' }).toString()
  for (let n = 0; n < 3; n += 1) {
    t.match((await service.post('/v1/refresh', { refresh_token })).json(), { status: 400, code: 'invalid_grant' })
    t.match((await service.post('/v1/token', form, FORM)).json(), { error: 'invalid_grant' })
  }
  await change(service, sidOf(mina), { clientId: 'latchkey' })
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('a refresh token that is used again does not end the session of another client', async (t) => {
  const { service, mina } = await twoPeople(t)
  const { refresh_token } = mina.login
  await change(service, sidOf(mina), { clientId: 'shop', generation: 7 })
  t.equal((await service.post('/v1/refresh', { refresh_token })).statusCode, 400)
  t.equal((await mina.get('/v1/me')).statusCode, 200)
})

const ENDS: Record<string, (parent: Person, service: Service) => Promise<unknown>> = {
  'a log-out': (parent) => parent.post('/v1/logout'),
  'a log-out by refresh token': ({ login }, service) =>
    service.post('/v1/logout', { refresh_token: login.refresh_token }),
  'a request from another session of its owner': async (parent, service) =>
    (await service.logIn('mina')).delete(`/v1/sessions/${sidOf(parent)}`),
  'the limit of sessions': async (parent, service) => {
    const { db, tables } = service.app.database
    const [row] = await db
      .select()
      .from(tables.sessions)
      .where(eq(tables.sessions.id, sidOf(parent)))
    if (row === undefined) throw new Error('no session')
    const rows = Array.from({ length: 100 }, (_, n) => ({ ...row, id: `later-${n}`, createdAt: row.createdAt + 1 + n }))
    await db.insert(tables.sessions).values(rows)
    return service.logIn('mina')
  },
}

for (const [name, end] of Object.entries(ENDS)) {
  t.test(`ending a session by ${name} also ends its child sessions, and no other session`, async (t) => {
    const { service, mina, joon } = await twoPeople(t)
    const [child, other] = [await service.logIn('mina'), await service.logIn('joon')]
    await change(service, sidOf(child), { parentId: sidOf(mina), createdAt: Date.now() + HOUR_MS })
    await change(service, sidOf(other), { parentId: sidOf(joon) })
    t.equal((await child.get('/v1/me')).statusCode, 200)
    await end(mina, service)
    t.equal(await sessionStatus(mina), DEAD)
    t.equal(await sessionStatus(child), DEAD)
    for (const person of [joon, other]) t.equal(await sessionStatus(person), ALIVE)
    const { db, tables } = service.app.database
    const ended = await db.select().from(tables.events).where(eq(tables.events.type, 'session.ended'))
    const ids = ended.map(({ sessionId }) => sessionId)
    for (const person of [mina, child]) t.ok(ids.includes(sidOf(person)), 'each session has its event')
  })
}

t.test('ending a session does not end its parent session', async (t) => {
  const { service, mina } = await twoPeople(t)
  const child = await service.logIn('mina')
  await change(service, sidOf(child), { parentId: sidOf(mina) })
  await child.post('/v1/logout')
  t.equal(await sessionStatus(child), DEAD)
  t.equal(await sessionStatus(mina), ALIVE)
})

function sidOf(person: Person): string {
  return String(claimsOf(person.token).sid)
}

async function change({ app }: Service, id: string, row: Partial<Tables['sessions']['$inferSelect']>): Promise<void> {
  const { db, tables } = app.database
  await db.update(tables.sessions).set(row).where(eq(tables.sessions.id, id))
}

async function twoPeople(t: Test): Promise<{ service: Service; mina: Person; joon: Person }> {
  const service = await startService(t)
  return { service, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}
