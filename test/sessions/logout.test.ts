import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type LoginAnswer, type Person, type Service, startService } from '../helper.js'

type Pair = Pick<LoginAnswer, 'access_token' | 'refresh_token'>

t.test('a log-out ends the session for both of its tokens, and no other session', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const phone = await service.logIn('mina')
  const joon = await service.signUp('joon')
  const next = (await refresh(service, mina.login.refresh_token)).json()
  const response = await mina.post('/v1/logout')
  t.equal(response.statusCode, 204)
  t.equal(response.payload, '')
  t.equal(response.headers['cache-control'], 'no-store')
  for (const pair of [mina.login, next]) await assertEnded(t, service, pair)
  for (const person of [phone, joon]) await assertAlive(t, person)
})

t.test('repeating a log-out is no error', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (let times = 0; times < 3; times += 1) t.equal((await mina.post('/v1/logout')).statusCode, 204)
  await assertEnded(t, service, mina.login)
  const racing = await service.logIn('mina')
  const answers = await Promise.all(Array.from({ length: 5 }, () => racing.post('/v1/logout', {})))
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [204, 204, 204, 204, 204],
  )
  await assertEnded(t, service, racing.login)
})

t.test('a log-out accepts the refresh token in the body, of any generation and repeatedly', async (t) => {
  const service = await startService(t)
  const joon = await service.signUp('joon')
  for (const used of [false, true]) {
    const mina = used ? await service.logIn('mina') : await service.signUp('mina')
    const { refresh_token } = mina.login
    const next = used ? (await refresh(service, refresh_token)).json() : mina.login
    for (let times = 0; times < 2; times += 1) {
      t.equal((await service.post('/v1/logout', { refresh_token })).statusCode, 204)
    }
    await assertEnded(t, service, mina.login)
    await assertEnded(t, service, next)
  }
  await assertAlive(t, joon)
})

t.test('a text that is not a refresh token ends no session, and is no error', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { refresh_token, access_token } = mina.login
  const wrong = ['garbage', 'lkr_', refresh_token.slice(0, -1), `${refresh_token}AAAA`, refresh_token.toLowerCase()]
  for (const token of [...wrong, access_token, '\0']) {
    const response = await service.post('/v1/logout', { refresh_token: token })
    t.equal(response.statusCode, 204, JSON.stringify(token.slice(0, 20)))
  }
  await assertAlive(t, mina)
})

t.test('a log-out without a valid token is rejected', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (const body of [undefined, {}]) {
    const response = await service.post('/v1/logout', body)
    t.match(response.json(), { status: 401, code: 'missing_token' })
    t.equal(response.headers['www-authenticate'], 'Bearer realm="latchkey"')
  }
  const unsigned = `${mina.token.split('.').slice(0, 2).join('.')}.`
  const wrong: [string, number, string][] = [
    ['Bearer garbage', 401, 'invalid_token'],
    [`Bearer ${mina.token.slice(0, -4)}AAAA`, 401, 'invalid_token'],
    [`Bearer ${unsigned}`, 401, 'invalid_token'],
    [`Bearer ${mina.login.refresh_token}`, 401, 'invalid_token'],
    [`Basic ${Buffer.from('mina:three quiet lanterns').toString('base64')}`, 401, 'missing_token'],
    [`Bearer  ${mina.token}`, 400, 'malformed_authorization'],
  ]
  for (const [authorization, status, code] of wrong) {
    const response = await service.post('/v1/logout', {}, { authorization })
    t.match(response.json(), { status, code }, authorization.slice(0, 20))
  }
  for (const body of [{ refresh_token: '' }, { refresh_token: null }, { session_id: 'x' }, []]) {
    t.equal((await service.post('/v1/logout', body)).statusCode, 400)
  }
  await assertAlive(t, mina)
})

t.test('a log-out does not end the session of another user', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  t.equal((await joon.post('/v1/logout', { sid: 'x' })).statusCode, 400)
  t.equal((await joon.post('/v1/logout')).statusCode, 204)
  await assertAlive(t, mina)
  await assertEnded(t, service, joon.login)
})

t.test('when a log-out and a refresh run at once, the refreshed tokens are rejected as well', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const seen = new Set<number>()
  for (let round = 0; round < 24; round += 1) {
    const mina = await service.logIn('mina')
    const [ended, ...refreshes] = await Promise.all([
      turns(round % 12).then(() => mina.post('/v1/logout')),
      refresh(service, mina.login.refresh_token),
      refresh(service, mina.login.refresh_token),
    ])
    t.equal(ended.statusCode, 204)
    for (const answer of refreshes) {
      seen.add(answer.statusCode)
      if (answer.statusCode === 200) await assertEnded(t, service, answer.json())
      else t.match(answer.json(), { status: 400, code: 'invalid_grant' })
    }
    await assertEnded(t, service, mina.login)
  }
  t.strictSame([...seen].sort(), [200, 400], 'either came first in some rounds')
})

/** Yields to the event loop this many times. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await setImmediate()
}

function refresh(service: Service, refresh_token: string) {
  return service.post('/v1/refresh', { refresh_token })
}

async function assertEnded(t: Test, service: Service, pair: Pair): Promise<void> {
  const answer = await service.get('/v1/me', { authorization: `Bearer ${pair.access_token}` })
  t.match(answer.json(), { status: 401, code: 'invalid_token' })
  t.match((await refresh(service, pair.refresh_token)).json(), { status: 400, code: 'invalid_grant' })
}

async function assertAlive(t: Test, person: Person): Promise<void> {
  t.equal((await person.get('/v1/me')).statusCode, 200)
  t.equal((await refresh(person.service, person.login.refresh_token)).statusCode, 200)
}
