import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { countBy } from '../helper.js'
import { serving } from '../support/child.js'
import { createDatabase, postgresSettings } from '../support/databases.js'
import { PostgresServer } from '../support/postgres-server.js'
import { until } from '../support/replica.js'
import { register, titlesOf } from './walk.js'

t.setTimeout(240_000)

const ROUNDS = 5

t.test('when PostgreSQL is killed during writes, nothing that was acknowledged is lost', async (t) => {
  // Delays the WAL writer by ten seconds, so that a kill loses every commit that does not wait for its fsync.
  const server = await PostgresServer.create({ wal_writer_delay: '10s' })
  t.teardown(() => server.remove())
  const url = await createDatabase(t, server.url)
  const service = await serving(t, { settings: { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' } })
  const mina = await register(service, 'mina')
  const { access_token: token } = mina
  let refreshToken = mina.refresh_token
  const acknowledged = new Set<string>()
  const statuses: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = acknowledged.size
    let isOver = false
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; !isOver; n += 1) {
        const title = `${round}/${writer}/${n}`
        const { status } = await service.request('POST', '/v1/todos', { token, body: { title } })
        statuses.push(status)
        if (status === 201) acknowledged.add(title)
        else await sleep(20)
      }
    })
    await until(async () => acknowledged.size > before + 100)
    const { status, body } = await service.request('POST', '/v1/refresh', { body: { refresh_token: refreshToken } })
    t.equal(status, 200)
    refreshToken = body.refresh_token
    await server.kill()
    isOver = true
    await Promise.all(writers)
    await server.start()
    await until(async () => (await service.request('GET', '/readyz')).status === 200, 30_000)
    const refreshed = await service.request('POST', '/v1/refresh', { body: { refresh_token: refreshToken } })
    t.equal(refreshed.status, 200, 'the last refresh is stored')
    refreshToken = refreshed.body.refresh_token
  }
  const kept = await titlesOf(service, token)
  t.strictSame(
    [...acknowledged].filter((title) => !kept.has(title)),
    [],
  )
  t.comment(`${ROUNDS} kills, ${acknowledged.size} rows acknowledged; ${JSON.stringify(countBy(statuses, String))}`)
  t.same(
    Object.keys(countBy(statuses, String)).filter((status) => status !== '201' && status !== '503'),
    [],
  )
  t.equal(await service.stop(), 0)
})
