import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { claimsOf, countBy, type LoginAnswer, type Person, type Service, startService } from '../helper.js'

const MINUTE_MS = 60_000
const REUSE_WINDOW_MS = 10_000

t.test('each refresh returns the next pair of tokens of the same session', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const tokens = new Set([mina.login.refresh_token])
  let token = mina.login.refresh_token
  for (let generation = 1; generation <= 5; generation += 1) {
    const response = await refresh(service, token)
    t.equal(response.statusCode, 200)
    t.equal(response.headers['cache-control'], 'no-store')
    const body = response.json()
    t.strictSame(Object.keys(body).sort(), ['access_token', 'expires_in', 'refresh_token', 'token_type'])
    const { sub, sid, role } = claimsOf(body.access_token)
    t.strictSame({ sub, sid, role }, { sub: String(mina.id), sid: sessionOf(mina), role: 'user' })
    t.equal((await me(service, body.access_token)).json().username, 'mina')
    t.equal((await rowOf(mina)).generation, generation)
    token = body.refresh_token
    tokens.add(token)
  }
  t.equal(tokens.size, 6)
  t.equal((await mina.get('/v1/me')).statusCode, 200, 'older access tokens stay valid')
  t.equal((await rowOf(joon)).generation, 0)
})

t.test('a used refresh token returns the same next token three more times within the reuse window', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  let parent = mina.login.refresh_token
  for (let generation = 1; generation <= 2; generation += 1) {
    const { refresh_token } = (await refresh(service, parent)).json()
    for (let times = 0; times < 3; times += 1) {
      const again = await refresh(service, parent)
      t.equal(again.statusCode, 200)
      t.equal(again.json().refresh_token, refresh_token)
      t.equal((await me(service, again.json().access_token)).statusCode, 200)
    }
    for (let times = 0; times < 2; times += 1) {
      t.match(
        (await refresh(service, parent)).json(),
        { status: 400, code: 'invalid_grant' },
        'the fourth repetition is rejected',
      )
    }
    t.equal((await rowOf(mina)).generation, generation)
    t.equal((await mina.get('/v1/me')).statusCode, 200, 'the session goes on')
    parent = refresh_token
  }
  t.equal((await refresh(service, parent)).statusCode, 200, 'the next token works')
})

t.test('twenty simultaneous refreshes of one token return one next token', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(service, mina.login.refresh_token)))
  t.strictSame(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 4, 400: 16 },
  )
  const [child, ...others] = new Set(answers.flatMap((answer) => answer.json().refresh_token ?? []))
  t.same(others, [])
  t.equal((await rowOf(mina)).generation, 1)
  t.equal((await mina.get('/v1/me')).statusCode, 200, 'the session goes on')
  t.equal((await refresh(service, child)).statusCode, 200)
})

t.test('a refresh that is repeated from another network succeeds, and is recorded as an event', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const { refresh_token } = (await refreshFrom(service, mina.login.refresh_token, '2001:db8:1:2::7')).json()
  t.equal((await rowOf(mina)).ip, '2001:db8:1:2::7')
  t.match(
    (await refreshFrom(service, mina.login.refresh_token, '2001:db8:1:2::99')).json(),
    { refresh_token },
    'the same network under another address',
  )
  t.same(await repetitionsOf(service), [])

  const elsewhere = await refreshFrom(service, mina.login.refresh_token, '203.0.113.66')
  t.match(elsewhere.json(), { refresh_token })
  t.equal((await me(service, elsewhere.json().access_token)).json().username, 'mina')
  t.match(await repetitionsOf(service), [
    { userId: mina.id, sessionId: sessionOf(mina), ip: '203.0.113.66', reason: 'first used from 2001:db8:1:2::7' },
  ])
  t.equal((await rowOf(mina)).ip, '2001:db8:1:2::7', 'the session keeps the address of the first use')

  t.equal((await refreshFrom(service, refresh_token, '203.0.113.66')).statusCode, 200)
  t.equal((await rowOf(mina)).ip, '203.0.113.66', 'the next refresh is from the new network')
  t.equal((await repetitionsOf(service)).length, 1, 'a refresh with the next token is no repetition')
  t.not((await rowOf(joon)).ip, '203.0.113.66')
})

t.test('a thief who repeats each refresh within the reuse window is recorded each time', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  let token = mina.login.refresh_token
  for (let round = 1; round <= 4; round += 1) {
    const owner = await refreshFrom(service, token, '198.51.100.7')
    await refreshFrom(service, token, '203.0.113.66')
    t.equal((await repetitionsOf(service)).length, round)
    token = owner.json().refresh_token
  }
  for (const event of await repetitionsOf(service)) {
    t.match(event, { ip: '203.0.113.66', reason: 'first used from 198.51.100.7', userId: mina.id })
  }
})

t.test('without a reuse window one of twenty refreshes succeeds, and the others end the session', async (t) => {
  const service = await startService(t, { REFRESH_REUSE_WINDOW: '0s' })
  const mina = await service.signUp('mina')
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(service, mina.login.refresh_token)))
  t.strictSame(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 1, 400: 19 },
  )
  for (const winner of answers.filter(({ statusCode }) => statusCode === 200)) {
    await assertEnded(t, service, winner.json())
  }
})

t.test('any other use of a used refresh token ends its session, and no other session', async (t) => {
  const reuses: { name: string; settings: Record<string, string>; refreshes: number; ageMs: number }[] = [
    { name: 'the grandparent', settings: {}, refreshes: 2, ageMs: 0 },
    { name: 'an ancestor', settings: {}, refreshes: 5, ageMs: 0 },
    { name: 'the parent, after the window', settings: {}, refreshes: 1, ageMs: REUSE_WINDOW_MS },
    { name: 'the parent, without a window', settings: { REFRESH_REUSE_WINDOW: '0s' }, refreshes: 1, ageMs: 0 },
  ]
  for (const { name, settings, refreshes, ageMs } of reuses) {
    const service = await startService(t, settings)
    const mina = await service.signUp('mina')
    const other = await service.logIn('mina')
    const joon = await service.signUp('joon')
    let last: Pair = mina.login
    for (let count = 0; count < refreshes; count += 1) last = (await refresh(service, last.refresh_token)).json()
    const { lastUsedAt } = await rowOf(mina)
    await change(mina, { lastUsedAt: lastUsedAt - ageMs })

    const reused = await refresh(service, mina.login.refresh_token)
    t.match(reused.json(), { status: 400, code: 'invalid_grant' }, name)
    await assertEnded(t, service, last)
    await assertEnded(t, service, mina.login)
    for (const person of [other, joon]) {
      t.equal((await person.get('/v1/me')).statusCode, 200)
      t.equal((await refresh(service, person.login.refresh_token)).statusCode, 200)
    }
  }
})

t.test('a session ends when it was idle for too long', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { refresh_token } = (await refresh(service, mina.login.refresh_token)).json()
  const { lastUsedAt, idleExpiresAt } = await rowOf(mina)
  t.equal(idleExpiresAt - lastUsedAt, 14 * 24 * 60 * MINUTE_MS)
  await change(mina, { idleExpiresAt: Date.now() - 1 })
  for (const token of [refresh_token, mina.login.refresh_token]) {
    t.match((await refresh(service, token)).json(), { status: 400, code: 'invalid_grant' })
  }
  t.equal((await rowOf(mina)).generation, 1)
})

t.test('refreshes do not extend a session beyond its absolute limit', async (t) => {
  const service = await startService(t, { REFRESH_IDLE_TTL: '1h', REFRESH_ABSOLUTE_TTL: '2h' })
  const mina = await service.signUp('mina')
  const born = await rowOf(mina)
  t.equal(born.expiresAt - born.createdAt, 120 * MINUTE_MS)
  t.equal(born.idleExpiresAt - born.createdAt, 60 * MINUTE_MS)
  // As if the session had been used until a minute before its end.
  const expiresAt = Date.now() + MINUTE_MS
  await change(mina, { expiresAt })
  let token = mina.login.refresh_token
  for (let count = 0; count < 3; count += 1) {
    token = (await refresh(service, token)).json().refresh_token
    const row = await rowOf(mina)
    t.equal(row.expiresAt, expiresAt)
    t.equal(row.idleExpiresAt, expiresAt)
  }
  await change(mina, { expiresAt: Date.now() - 1, idleExpiresAt: Date.now() - 1 })
  t.match((await refresh(service, token)).json(), { status: 400, code: 'invalid_grant' })
})

t.test('a disabled user cannot refresh, neither with the newest refresh token nor with the one before', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const child = (await refresh(service, mina.login.refresh_token)).json().refresh_token
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ isActive: false }).where(eq(tables.users.id, mina.id))
  for (const token of [child, mina.login.refresh_token]) {
    t.match((await refresh(service, token)).json(), { status: 400, code: 'invalid_grant' })
  }
  t.equal((await refresh(service, joon.login.refresh_token)).statusCode, 200)
})

type Pair = Pick<LoginAnswer, 'access_token' | 'refresh_token'>
type Row = Service['app']['database']['tables']['sessions']['$inferSelect']

function refresh(service: Service, refresh_token: string) {
  return service.post('/v1/refresh', { refresh_token })
}

function refreshFrom(service: Service, refresh_token: string, remoteAddress: string) {
  return service.request({ method: 'POST', url: '/v1/refresh', payload: { refresh_token }, remoteAddress })
}

function repetitionsOf({ app: { database } }: Service) {
  const { events } = database.tables
  return database.db.select().from(events).where(eq(events.type, 'session.refresh_repeated'))
}

function me(service: Service, token: string) {
  return service.get('/v1/me', { authorization: `Bearer ${token}` })
}

async function assertEnded(t: Test, service: Service, pair: Pair) {
  t.match((await me(service, pair.access_token)).json(), { status: 401, code: 'invalid_token' })
  t.match((await refresh(service, pair.refresh_token)).json(), { status: 400, code: 'invalid_grant' })
}

function sessionOf(person: Person): string {
  return String(claimsOf(person.token).sid)
}

async function rowOf(person: Person): Promise<Row> {
  const { db, tables } = person.service.app.database
  const [row] = await db
    .select()
    .from(tables.sessions)
    .where(eq(tables.sessions.id, sessionOf(person)))
  if (row === undefined) throw new Error('The session has no row')
  return row
}

async function change(person: Person, values: Partial<Row>): Promise<void> {
  const { db, tables } = person.service.app.database
  await db
    .update(tables.sessions)
    .set(values)
    .where(eq(tables.sessions.id, sessionOf(person)))
}
