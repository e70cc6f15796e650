import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { latchkey } from '../support/child.js'
import { createDatabase, onServer, postgresSettings } from '../support/databases.js'
import { PostgresServer } from '../support/postgres-server.js'

t.setTimeout(180_000)

/** Longer than the ten seconds after which Fastify gives up on a plugin by default. */
const AWAY_MS = 13_000

t.test('a start waits for the PostgreSQL server and for a running migration', async (t) => {
  const server = await PostgresServer.create()
  t.teardown(() => server.remove())
  const settings = async () => ({
    ...postgresSettings(await createDatabase(t, server.url)),
    PUBLIC_URL: 'http://latchkey.test',
    PORT: '0',
  })

  t.test('a start waits for a server that is not up yet, and logs that it waits', async (t) => {
    const own = await settings()
    await server.stop()
    const service = await latchkey(t, ['serve'], { settings: own })
    await service.says(/ECONNREFUSED.*trying again for up to 30 s/)
    await sleep(AWAY_MS)
    await server.start()
    await service.says(/Server listening/, 40_000)
    t.equal(await service.stop(), 0)
  })

  t.test('a start waits for the migration of another process', async (t) => {
    const own = await settings()
    const lock = onServer(own.DATABASE_URL, `select pg_advisory_lock(${0x4c4b4559}), pg_sleep(${AWAY_MS / 1_000})`)
    await sleep(500)
    const service = await latchkey(t, ['serve'], { settings: own })
    await service.says(/Server listening/, 60_000)
    await lock
    t.equal(await service.stop(), 0)
  })
})
