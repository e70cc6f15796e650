import { randomBytes } from 'node:crypto'
import t from 'tap'
import { statements } from '../../src/telemetry/channels.js'
import { startService } from '../helper.js'
import { after } from './latencies.js'

t.setTimeout(300_000)

const KEYS = 1_000_000
const AT_ONCE = 10_000
const MIB = 1_048_576

t.test('a million made-up API keys cause no query and no growth of memory', async (t) => {
  const { app, get } = await start()
  const made = () => `lkk_${randomBytes(48).toString('base64url')}`
  let queries = 0
  t.teardown(
    statements.subscribe(() => {
      queries += 1
    }),
  )
  const round = async () => {
    queries = 0
    // Does not yield to the event loop, so that the service cannot poll meanwhile.
    for (let n = 0; n < AT_ONCE; n += 1) if ((await app.apiKeys.identify(made())) !== undefined) t.fail('accepted')
    return queries
  }
  for (let warm = 0; warm < 5; warm += 1) await round()
  const before = process.memoryUsage.rss()
  let asked = 0
  for (let n = 0; n < KEYS; n += AT_ONCE) asked += await round()
  const grown = Math.round((process.memoryUsage.rss() - before) / MIB)
  t.equal(asked, 0)
  t.ok(grown < 64, `${grown} MiB more`)
  const isOver = after(5_000)
  let refused = 0
  while (!isOver()) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => get(made())))
    refused += answers.filter(({ statusCode }) => statusCode === 401).length
  }
  t.ok(refused >= 50)
  t.comment(`${grown} MiB more after a million; then ${refused} requests refused in 5 s`)

  async function start() {
    const service = await startService(t)
    const get = (key: string) => service.app.inject({ url: '/v1/me', headers: { authorization: `Bearer ${key}` } })
    return { app: service.app, get }
  }
})
