import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.js'
import { Service, startService } from '../helper.js'
import { ask } from '../support/sqlite.js'

t.test('a revoked session is rejected at once, and no other session is', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const elsewhere = await service.logIn('mina')
  for (const person of [mina, joon, elsewhere]) t.equal((await person.get('/v1/verify')).statusCode, 204)
  t.equal((await mina.post('/v1/logout')).statusCode, 204)
  const refused = await mina.get('/v1/verify')
  t.match(refused.json(), { status: 401, code: 'invalid_token' })
  t.equal(
    refused.headers['www-authenticate'],
    'Bearer realm="latchkey", error="invalid_token", error_description="The session of this access token has ended."',
  )
  t.equal((await mina.post('/v1/logout')).statusCode, 204, 'a second log-out is no error')
  for (const person of [joon, elsewhere]) t.equal((await person.get('/v1/verify')).statusCode, 204)
})

t.test('a session that another process revoked is rejected within a second', async (t) => {
  const service = await startService(t)
  const other = await startSecond(t, service)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const there = { authorization: `Bearer ${mina.token}` }
  t.equal((await other.get('/v1/verify', there)).statusCode, 204)
  await mina.post('/v1/logout')
  const revokedAt = performance.now()
  await until(async () => (await other.get('/v1/verify', there)).statusCode === 401)
  // The service promises one second; the rest is for a busy machine.
  t.ok(performance.now() - revokedAt < 2_000)
  t.match((await other.get('/v1/verify', there)).json(), { code: 'invalid_token' })
  t.equal((await other.get('/v1/verify', { authorization: `Bearer ${joon.token}` })).statusCode, 204)
})

t.test('while revocations have not been read for seconds, requests return 503 until they are read again', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await ask(service, sql`alter table sessions rename to sessions_away`)
  t.equal((await mina.get('/v1/verify')).statusCode, 204, 'a token is verified without a query')
  await until(async () => (await mina.get('/v1/verify')).statusCode === 503)
  const refused = await mina.get('/v1/verify')
  t.match(refused.json(), { status: 503, code: 'revocations_stale' })
  t.ok(Number(refused.headers['retry-after']) >= 1)
  t.equal((await service.get('/readyz')).statusCode, 503)
  t.equal((await service.get('/livez')).statusCode, 200)
  await ask(service, sql`alter table sessions_away rename to sessions`)
  await until(async () => (await mina.get('/v1/verify')).statusCode === 204)
  t.equal((await service.get('/readyz')).statusCode, 200)
})

/** A second replica in this process: the same database and settings, but no shared memory. */
async function startSecond(t: Test, first: Service): Promise<Service> {
  const app = await buildApp(first.app.config)
  t.teardown(() => app.close())
  await app.ready()
  return new Service(app, first.contract)
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('It did not happen in time')
    await sleep(25)
  }
}
