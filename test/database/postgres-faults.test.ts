// On PostgreSQL alone: failures of its server.

import { setTimeout as sleep } from 'node:timers/promises'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { DatabaseError } from '../../src/database/database.js'
import { openDatabase } from '../../src/database/open.js'
import { countBy, PASSWORD, type Person, type Service, startService } from '../helper.js'
import { latchkey } from '../support/child.js'
import { createDatabase, onServer, POSTGRES_ONLY, postgresSettings } from '../support/databases.js'
import { startNetwork } from '../support/network.js'
import { PostgresServer } from '../support/postgres-server.js'
import { until } from '../support/replica.js'

t.setTimeout(240_000)

/** A request waits for a connection (2 s) and for a result (3.5 s) before it fails; the rest is for a busy machine. */
const PATIENCE_MS = 7_000
const MINA = { username: 'mina', password: PASSWORD }

t.test('failures of the PostgreSQL server', { skip: POSTGRES_ONLY }, async (t) => {
  // A separate server, because the tests stop it.
  const server = await PostgresServer.create()
  t.teardown(() => server.remove())

  t.test('with the server stopped, requests that need it return 503, and work again once it is back', async (t) => {
    const { service, mina } = await start(t, server)
    await server.stop()
    await assertUnavailable(t, service, mina)
    const stale = await until(async () => (await mina.get('/v1/verify')).statusCode === 503)
    t.comment(`/v1/verify goes on for another ${stale} ms`)
    t.match((await mina.get('/v1/verify')).json(), { code: 'revocations_stale' })
    await server.start()
    t.comment(`well again after ${await untilWell(service, mina)} ms`)
  })

  t.test('with the server frozen, requests are answered in time, and /v1/verify works for 4 s more', async (t) => {
    const { service, mina } = await start(t, server)
    await server.freeze()
    const frozenAt = performance.now()
    await assertUnavailable(t, service, mina, () => performance.now() - frozenAt < 3_500)
    await until(async () => (await mina.get('/v1/verify')).statusCode === 503)
    t.ok(performance.now() - frozenAt > 4_000, 'revocations count as fresh for five seconds')
    await server.thaw()
    t.comment(`well again after ${await untilWell(service, mina)} ms`)
  })

  t.test('with the server frozen, each of 1,300 concurrent requests returns 503 in time', async (t) => {
    const { service, mina } = await start(t, server)
    await server.freeze()
    const startedAt = performance.now()
    const times: number[] = []
    const requests = Array.from({ length: 1_300 }, async () => {
      const { statusCode } = await mina.get('/v1/todos')
      times.push(Math.round(performance.now() - startedAt))
      return statusCode
    })
    t.same(countBy(await Promise.all(requests), String), { 503: 1_300 })
    await server.thaw()
    t.comment(`the first after ${Math.min(...times)} ms, the last after ${Math.max(...times)} ms`)
    t.ok(Math.max(...times) < PATIENCE_MS)
    await untilWell(service, mina)
  })

  t.test('while the server restarts or cuts its connections under load, answers are 200 or 503', async (t) => {
    const { service, mina } = await start(t, server)
    const faults = [
      () =>
        onServer(server.url, 'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()'),
      () => server.stop().then(() => server.start()),
    ]
    for (const fault of faults) {
      const statuses: number[] = []
      let isOver = false
      const clients = Array.from({ length: 8 }, async () => {
        while (!isOver) statuses.push((await mina.get('/v1/todos')).statusCode)
      })
      await sleep(200)
      await fault()
      await untilWell(service, mina)
      isOver = true
      await Promise.all(clients)
      const counts = countBy(statuses, String)
      t.comment(JSON.stringify(counts))
      t.same(
        Object.keys(counts).filter((status) => status !== '200' && status !== '503'),
        [],
      )
      t.equal((await mina.get('/v1/todos')).statusCode, 200)
    }
  })

  t.test('requests that need a locked table return 503 after about 3 s, and other requests work', async (t) => {
    const { service, mina } = await start(t, server)
    const lock = onServer(service.app.config.DATABASE_URL, 'begin; lock table users; select pg_sleep(5)')
    await sleep(300)
    const { answer, ms } = await timed(() => service.post('/v1/login', MINA))
    t.comment(`503 after ${ms} ms`)
    assertProblem(t, answer)
    t.ok(ms > 2_000 && ms < PATIENCE_MS)
    t.equal((await mina.get('/v1/todos')).statusCode, 200)
    await lock
    await untilWell(service, mina)
  })

  t.test('a command ends with an error when the network stops while it works', async (t) => {
    const url = await createDatabase(t, server.url)
    const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' }
    t.equal(await (await latchkey(t, ['migrate'], { settings })).exit, 0)
    const network = await startNetwork(t, url)
    network.holdAt('from "users"')
    const command = await latchkey(t, ['users', 'list'], { settings: { ...settings, DATABASE_URL: network.url } })
    t.equal(await command.exit, 1)
    t.match(command.stderr, 'The database cannot be used')
  })

  t.test('a start ends with an error when the network stops before, during or after the migrations', async (t) => {
    const texts = ['set statement_timeout', 'pg_advisory_xact_lock', 'create table', 'reset statement_timeout']
    const starts = texts.map(async (text) => {
      const network = await startNetwork(t, await createDatabase(t, server.url))
      network.holdAt(text)
      await t.rejects(openDatabase(network.url, { migrate: true, connectTimeoutMs: 1_000 }), {
        constructor: DatabaseError,
        message: /cannot be used: the server has not answered for \d+ s$/,
      })
    })
    await Promise.all(starts)
  })

  t.test('a start waits for slow statements while the server accepts connections', async (t) => {
    const url = await createDatabase(t, server.url)
    const lock = onServer(url, 'select pg_advisory_lock(1280001369), pg_sleep(2)')
    await until(async () => (await onServer(url, "select from pg_locks where locktype = 'advisory'")).length > 0)
    const database = await openDatabase(url, { migrate: true, connectTimeoutMs: 300 })
    await database.close()
    await lock
  })

  t.test('a service that starts before the server waits for it', async (t) => {
    const url = await createDatabase(t, server.url)
    await server.stop()
    const starting = startService(t, { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' })
    await sleep(1_000)
    await server.start()
    t.equal((await (await starting).get('/readyz')).statusCode, 200)
  })
})

async function start(t: Test, server: PostgresServer): Promise<{ service: Service; mina: Person }> {
  const service = await startService(t, postgresSettings(await createDatabase(t, server.url)))
  const mina = await service.signUp(MINA.username)
  t.equal((await mina.get('/v1/todos')).statusCode, 200)
  return { service, mina }
}

async function assertUnavailable(t: Test, service: Service, mina: Person, isFresh = () => true): Promise<void> {
  const requests = {
    '/livez': () => service.get('/livez'),
    '/v1/verify': () => mina.get('/v1/verify'),
    '/readyz': () => service.get('/readyz'),
    '/v1/todos': () => mina.get('/v1/todos'),
    '/v1/login': () => service.post('/v1/login', MINA),
    '/v1/refresh': () => service.post('/v1/refresh', { refresh_token: mina.login.refresh_token }),
  }
  const answers = await Promise.all(
    Object.entries(requests).map(async ([path, send]) => ({ path, ...(await timed(send)) })),
  )
  t.comment(answers.map(({ path, ms, answer }) => `${path} ${answer.statusCode} after ${ms} ms`).join(', '))
  for (const { path, answer, ms } of answers) {
    if (path === '/livez') t.equal(answer.statusCode, 200)
    else if (path === '/v1/verify') t.equal(answer.statusCode, 204, '/v1/verify is answered from memory')
    else assertProblem(t, answer)
    t.ok(ms < (path === '/readyz' ? 2_500 : PATIENCE_MS), `${path}: ${ms} ms`)
  }
  if (isFresh()) t.equal((await mina.get('/v1/verify')).statusCode, 204)
}

function assertProblem(t: Test, answer: Response): void {
  t.equal(answer.statusCode, 503)
  t.match(answer.headers['content-type'], /^application\/problem\+json/)
  t.ok(Number(answer.headers['retry-after']) >= 1)
  t.notMatch(answer.payload, /ECONN|postgres|timeout|127\.0\.0\.1|select|insert/i)
}

/** Waits until /readyz, /v1/verify and log-ins succeed. */
function untilWell(service: Service, mina: Person): Promise<number> {
  const path = async () =>
    [await service.get('/readyz'), await mina.get('/v1/verify'), await service.post('/v1/login', MINA)].every(
      ({ statusCode }) => statusCode < 300,
    )
  return until(path, 30_000)
}

async function timed(send: () => Promise<Response>): Promise<{ answer: Response; ms: number }> {
  const startedAt = performance.now()
  const answer = await send()
  return { answer, ms: Math.round(performance.now() - startedAt) }
}
