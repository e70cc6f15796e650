import { setTimeout as sleep } from 'node:timers/promises'
import { and, count, eq, isNull } from 'drizzle-orm'
import t from 'tap'
import { countBy, PASSWORD, type Service, startService } from '../helper.js'
import { serving } from '../support/child.js'
import { bearer, settingsOf, startSecond, until } from '../support/replica.js'

t.setTimeout(120_000)

const CLOCK_AHEAD = 'data:text/javascript,const now=Date.now.bind(Date);Date.now=()=>now()+20000'

t.test('a session that ends in one replica is rejected in the other within a second', async (t) => {
  const first = await startService(t)
  const second = await startSecond(t, first)
  await first.signUp('mina')
  const delays: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const mina = await first.logIn('mina')
    const isRefused = async () => (await second.get('/v1/verify', bearer(mina.token))).statusCode === 401
    t.notOk(await isRefused())
    await mina.post('/v1/logout')
    delays.push(await until(isRefused))
  }
  t.comment(`refused after ${delays.join(', ')} ms`)
  // The service promises one second; the rest is for a busy machine.
  t.ok(Math.max(...delays) < 1_500)
})

t.test('while the signing key changes in one replica, the other rejects no token', async (t) => {
  const first = await startService(t)
  const second = await startSecond(t, first)
  let { refresh_token: refreshToken } = (await first.signUp('mina')).login
  const kid = await first.app.keys.rotate()
  const { db, tables } = first.app.database
  const knows = async () => (await second.get('/.well-known/jwks.json')).json().keys.length === 2
  t.comment(`published by the other after ${await until(knows)} ms`)

  const statuses: number[] = []
  const kids = new Set<unknown>()
  const startedAt = performance.now()
  while (performance.now() - startedAt < 2_500) {
    const { access_token: token, refresh_token } = (
      await first.post('/v1/refresh', { refresh_token: refreshToken })
    ).json()
    refreshToken = refresh_token
    kids.add(JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString()).kid)
    statuses.push((await second.get('/v1/verify', bearer(token))).statusCode)
    // Ends the ten minutes in which a key is published but does not sign yet.
    if (statuses.length === 10)
      await db
        .update(tables.signingKeys)
        .set({ signsFrom: 0 })
        .where(eq(tables.signingKeys.kid, `${kid}`))
  }
  t.same(countBy(statuses, String), { 204: statuses.length })
  t.equal(kids.size, 2)
  t.ok(kids.has(kid))
})

t.test('replicas share the budget of failed log-ins', async (t) => {
  const first = await startService(t)
  const second = await startSecond(t, first)
  await first.signUp('mina')
  const tries = Array.from({ length: 20 }, (_, index) =>
    (index % 2 ? first : second).post('/v1/login', { username: 'mina', password: 'not her password' }),
  )
  t.same(
    countBy(await Promise.all(tries), ({ statusCode }) => statusCode),
    { 401: 10, 429: 10 },
  )
})

t.test('of twenty refreshes of one token at once in two replicas, one succeeds', async (t) => {
  const first = await startService(t, { REFRESH_REUSE_WINDOW: '0s' })
  const second = await startSecond(t, first)
  for (let round = 0; round < 5; round += 1) {
    const { refresh_token } = (await first.signUp(`mina${round}`)).login
    const tries = Array.from({ length: 20 }, (_, index) =>
      (index % 2 ? first : second).post('/v1/refresh', { refresh_token }),
    )
    t.same(
      countBy(await Promise.all(tries), ({ statusCode }) => statusCode),
      { 200: 1, 400: 19 },
    )
  }
})

t.test('a replica whose clock is 20 s ahead returns the same next token for the same refresh token', async (t) => {
  const here = await startService(t)
  const { address } = await serving(t, { settings: settingsOf(here), nodeOptions: ['--import', CLOCK_AHEAD] })
  const { refresh_token } = (await here.signUp('mina')).login
  const there = async () => {
    const response = await fetch(`${address}/v1/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh_token }),
    })
    return { ...((await response.json()) as Record<'access_token' | 'refresh_token', string>), isThere: true }
  }
  const answers = await Promise.all(
    Array.from({ length: 4 }, async (_, index) =>
      index % 2 ? there() : { ...(await here.post('/v1/refresh', { refresh_token })).json(), isThere: false },
    ),
  )
  t.equal(new Set(answers.map((answer) => answer.refresh_token)).size, 1)
  for (const { access_token, isThere } of answers) {
    const status = isThere
      ? (await here.get('/v1/verify', bearer(access_token))).statusCode
      : (await fetch(`${address}/v1/verify`, { headers: bearer(access_token) })).status
    t.equal(status, 204)
  }
})

t.test('no session survives if its user is disabled at the moment of the log-in', async (t) => {
  const first = await startService(t, { LOGIN_THROTTLE: 'off' })
  const second = await startSecond(t, first)
  for (let round = 0; round < 20; round += 1) {
    const mina = await first.signUp(`mina${round}`)
    const login = () => second.post('/v1/login', { username: `mina${round}`, password: PASSWORD })
    const disable = sleep(round % 7).then(() =>
      first.app.administration.change(mina.id, { isActive: false }, { id: null }),
    )
    await Promise.all([login(), login(), disable])
    t.equal(await liveSessions(first, mina.id), 0)
  }
})

t.test('of two admins who are demoted at once in two replicas, one stays an admin', async (t) => {
  const first = await startService(t)
  const second = await startSecond(t, first)
  const [mina, joon] = [await first.signUp('mina'), await first.signUp('joon')]
  for (let round = 0; round < 20; round += 1) {
    for (const { id } of [mina, joon]) await first.app.administration.change(id, { role: 'admin' }, { id: null })
    const demoted = await Promise.allSettled([
      first.app.administration.change(mina.id, { role: 'user' }, { id: null }),
      second.app.administration.change(joon.id, { role: 'user' }, { id: null }),
    ])
    t.same(
      countBy(demoted, ({ status }) => status),
      { fulfilled: 1, rejected: 1 },
    )
  }
})

async function liveSessions({ app }: Service, userId: number): Promise<number> {
  const { db, tables } = app.database
  const { sessions } = tables
  const [row] = await db
    .select({ count: count() })
    .from(sessions)
    .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt)))
  return Number(row?.count)
}
