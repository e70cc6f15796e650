import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { countBy } from '../helper.js'
import { serving } from '../support/child.js'
import { createDatabase, onServer, postgresSettings } from '../support/databases.js'
import { PostgresServer } from '../support/postgres-server.js'
import { until } from '../support/replica.js'
import { register, titlesOf } from './walk.js'

t.setTimeout(120_000)

t.test(
  'when a standby replaces the lost primary, responses are 201 or 503, and no acknowledged row is lost',
  async (t) => {
    const primary = await PostgresServer.create()
    t.teardown(() => primary.remove())
    const url = await createDatabase(t, primary.url)
    const standby = await primary.follow()
    t.teardown(() => standby.remove())
    // Synchronous replication: a commit waits for the standby, so that acknowledged data survives the primary.
    await onServer(primary.url, `alter system set synchronous_standby_names = '*'`)
    await onServer(primary.url, 'select pg_reload_conf()')
    const switchboard = await startSwitchboard(t, portOf(primary))
    const through = new URL(url)
    through.port = String(switchboard.port)
    const service = await serving(t, {
      settings: { ...postgresSettings(through.href), PUBLIC_URL: 'http://latchkey.test' },
    })
    const { access_token: token } = await register(service, 'mina')
    const acknowledged = new Set<string>()
    const statuses: number[] = []
    let isOver = false
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let n = 0; !isOver; n += 1) {
        const title = `${writer}/${n}`
        const { status } = await service.request('POST', '/v1/todos', { token, body: { title } })
        statuses.push(status)
        if (status === 201) acknowledged.add(title)
      }
    })
    await until(async () => acknowledged.size > 50)
    await primary.stop()
    switchboard.connectTo(portOf(standby))
    await until(async () => (await service.request('GET', '/readyz')).status === 503)
    t.match(
      (await service.request('POST', '/v1/todos', { token, body: { title: 'x' } })).status,
      503,
      'the standby is read-only',
    )
    await onServer(standby.url, 'select pg_promote()')
    const healed = await until(async () => (await service.request('GET', '/readyz')).status === 200, 30_000)
    const before = acknowledged.size
    await until(async () => acknowledged.size > before + 50)
    isOver = true
    await Promise.all(writers)
    t.comment(`ready ${healed} ms after the promotion; ${JSON.stringify(countBy(statuses, String))}`)
    t.same(
      Object.keys(countBy(statuses, String)).filter((status) => status !== '201' && status !== '503'),
      [],
    )
    const kept = await titlesOf(service, token)
    t.strictSame(
      [...acknowledged].filter((title) => !kept.has(title)),
      [],
    )
    t.equal(await service.stop(), 0)
  },
)

function portOf({ url }: PostgresServer): number {
  return Number(new URL(url).port)
}

/** A single address in front of two servers, like a virtual IP address or a proxy. */
async function startSwitchboard(t: Test, first: number) {
  let target = first
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket)
      socket
        .on('error', () => {})
        .on('close', () => {
          open.delete(socket)
          other.destroy()
        })
      socket.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  return {
    port: (server.address() as { port: number }).port,
    /** Cuts every connection, and forwards new ones to this port. */
    connectTo(port: number) {
      target = port
      for (const socket of open) socket.destroy()
    },
  }
}
