import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { PASSWORD } from '../helper.js'
import { type Child, serving } from '../support/child.js'
import { until } from '../support/replica.js'
import { after, Latencies } from './latencies.js'
import { register } from './walk.js'

t.setTimeout(300_000)

const POST = 'POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
/**
 * Hashes after 60 clients have left: the next log-in, the hash that is running, and a few that start before the service
 * notices the closed connections.
 */
const HASHED_AFTER_LEAVING = 6
/** A p99 that a busy machine can reach without any fault. */
const BUSY_MS = 150
const BODY = JSON.stringify({ username: 'mina', password: PASSWORD })

t.test('slow, silent and non-reading clients are disconnected in time and do not delay other requests', async (t) => {
  const service = await serving(t)
  const openMany = (count: number, beginning: string, isReading = true) =>
    Promise.all(Array.from({ length: count }, () => Slow.connect(t, service, beginning, isReading)))
  const quiet = new Latencies()
  for (let n = 0; n < 200; n += 1) await quiet.ask(() => service.request('GET', '/livez'))
  const dripping = {
    headers: await openMany(250, 'GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: '),
    body: await openMany(250, `${POST}Content-Length: 60000\r\n\r\n`),
  }
  const silent = await openMany(250, '')
  const notReading = await openMany(20, 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200), false)
  const drip = setInterval(() => {
    for (const { socket } of Object.values(dripping).flat()) socket.write('x')
  }, 500)
  t.teardown(() => clearInterval(drip))
  const isOver = after(80_000)
  const meanwhile = new Latencies()
  while (!isOver()) {
    await meanwhile.ask(() => service.request('GET', '/livez'))
    await sleep(20)
  }
  // Only a socket that reads notices a closed connection.
  for (const { socket } of notReading) socket.resume()
  await until(async () => notReading.every(({ closedAfterMs }) => closedAfterMs !== undefined))
  for (const { text } of notReading) t.ok(text.split('HTTP/1.1 200').length < 200, 'not all responses')
  const longest = (kind: Slow[]) =>
    Math.max(...kind.map(({ closedAfterMs = Number.POSITIVE_INFINITY }) => closedAfterMs))
  const figures = {
    headers: longest(dripping.headers),
    body: longest(dripping.body),
    silent: longest(silent),
  }
  t.ok(figures.headers < 15_000 && figures.silent < 15_000 && figures.body < 35_000)
  for (const { text } of Object.values(dripping).flat()) t.match(text, /^HTTP\/1\.1 408 .*"code":"request_timeout"/s)
  t.strictSame([meanwhile.failures, Object.keys(meanwhile.statuses)], [[], ['200']])
  const limitMs = Math.max(BUSY_MS, 5 * quiet.quantile(0.99))
  t.ok(meanwhile.quantile(0.99) < limitMs, `${meanwhile.quantile(0.99)} ms, alone ${quiet.quantile(0.99)} ms`)
  t.comment(`closed after at most (ms): ${JSON.stringify(figures)}; /livez meanwhile: ${meanwhile}`)
})

t.test('with 10,000 idle connections, new requests are served and memory stays bounded', async (t) => {
  const service = await serving(t)
  const before = residentMiB(service)
  const idle: Socket[] = []
  t.teardown(() => idle.forEach((socket) => void socket.destroy()))
  for (let batch = 0; batch < 100; batch += 1)
    idle.push(...(await Promise.all(Array.from({ length: 100 }, () => open(service)))))
  const latencies = new Latencies()
  for (let n = 0; n < 100; n += 1) await latencies.ask(() => service.request('GET', '/livez'))
  t.strictSame([latencies.failures, latencies.statuses], [[], { 200: 100 }])
  const after = residentMiB(service)
  t.ok(after - before < 250, `from ${before} to ${after} MiB`)
  t.comment(`10,000 idle connections: ${before} MiB before, ${after} MiB with them; /livez ${latencies}`)
})

t.test('after too many connections or with too few file descriptors, the service still answers', async (t) => {
  const limited = await serving(t, { settings: { MAX_CONNECTIONS: '50' } })
  await assertSurvives(t, limited, 200)
  const starved = await serving(t, { limit: '-n 256' })
  await assertSurvives(t, starved, 600)
})

t.test('endless bodies are rejected early, their connections are closed, and memory stays flat', async (t) => {
  const service = await serving(t, { settings: { BODY_LIMIT: '1MiB' } })
  const before = residentMiB(service)
  const declared = await Slow.connect(t, service, `${POST}Content-Length: 1073741824\r\n\r\n`)
  await declared.closed(2_000)
  t.match(declared.text, /^HTTP\/1\.1 413 .*"code":"body_too_large"/s)
  const chunked = await Slow.connect(t, service, `${POST}Transfer-Encoding: chunked\r\n\r\n`)
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  let sent = 0
  while (chunked.closedAfterMs === undefined && sent < 2 ** 30) {
    const isRoomy = chunked.socket.write(chunk)
    sent += chunk.length
    if (!isRoomy) await sleep(1)
  }
  t.match(chunked.text, /^HTTP\/1\.1 413 /)
  t.ok(sent < 64 * 2 ** 20, `${Math.round(sent / 2 ** 20)} MiB were sent before it was closed`)
  const deep = '['.repeat(400_000)
  const nested = await fetch(`${service.address}/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `${deep}${']'.repeat(400_000)}`,
  })
  t.equal(nested.status, 400)
  t.ok(residentMiB(service) - before < 100)
  t.equal((await service.request('GET', '/livez')).status, 200)
})

t.test('60 log-ins whose clients have disconnected are not hashed, and the next log-in works', async (t) => {
  const service = await serving(t, {
    settings: { BCRYPT_COST: '12', HASH_QUEUE: '1000', LOGIN_THROTTLE: 'off', METRICS: 'public' },
  })
  await register(service, 'mina')
  const quiet = new Latencies()
  await quiet.ask(() => service.request('POST', '/v1/login', { body: { username: 'mina', password: PASSWORD } }))
  const leavers: Slow[] = []
  for (let n = 0; n < 60; n += 1) {
    leavers.push(await Slow.connect(t, service, `${POST}Content-Length: ${BODY.length}\r\n\r\n${BODY}`))
  }
  await sleep(100)
  for (const { socket } of leavers) socket.destroy()
  const hashedBefore = await hashesOf(service)
  const next = new Latencies()
  await next.ask(() => service.request('POST', '/v1/login', { body: { username: 'mina', password: PASSWORD } }))
  t.strictSame(next.statuses, { 200: 1 })
  const hashed = (await hashesOf(service)) - hashedBefore
  t.ok(hashed >= 1 && hashed <= HASHED_AFTER_LEAVING, `${hashed} hashes after the clients have left`)
  t.comment(`60 left in the queue; the next log-in took ${next.quantile(1)} ms, alone ${quiet.quantile(1)} ms`)
})

/** The number of passwords that a service has hashed. */
async function hashesOf(service: Child): Promise<number> {
  const text = await (await fetch(`${service.address}/metrics`)).text()
  const [, count] = /^password_hash_duration_seconds_count (\d+)$/m.exec(text) ?? []
  if (count === undefined) throw new Error(text)
  return Number(count)
}

/**
 * Opens this many connections, of which the service drops some, and checks that requests are served after they are
 * closed.
 */
async function assertSurvives(t: Test, service: Child, connections: number): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(service).catch(() => undefined)))
  await sleep(500)
  for (const socket of sockets) socket?.destroy()
  await until(async () => (await service.request('GET', '/livez').catch(() => ({ status: 0 }))).status === 200)
  await register(service, 'mina')
  t.pass(`served after ${connections} connections at once`)
}

/** A slow connection, and the text received on it. */
class Slow {
  text = ''
  closedAfterMs: number | undefined

  private constructor(readonly socket: Socket) {
    const startedAt = performance.now()
    socket.on('data', (bytes) => {
      this.text += bytes
    })
    socket.on('close', () => {
      this.closedAfterMs = Math.round(performance.now() - startedAt)
    })
  }

  static async connect(t: Test, service: Child, beginning: string, isReading = true): Promise<Slow> {
    const slow = new Slow(await open(service))
    t.teardown(() => slow.socket.destroy())
    if (!isReading) slow.socket.pause()
    slow.socket.write(beginning)
    return slow
  }

  async closed(withinMs: number): Promise<void> {
    await until(async () => this.closedAfterMs !== undefined, withinMs)
  }
}

function open(service: Child): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(service.port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })
}

function residentMiB({ pid }: Child): number {
  const [, pages] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(pages) / 1024)
}
