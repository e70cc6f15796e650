import type { InjectOptions } from 'fastify'
import t from 'tap'
import { networkKey } from '../src/networks.js'
import { countBy, PASSWORD, type Service, startService } from './helper.js'

const TRIES = 100
const WINDOW_MS = 15 * 60_000
const WRONG = 'not the password'

const NETWORKS = [
  ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:ffff:c000:0201'],
  ['192.0.2.2', '::ffff:192.0.2.2', '::ffff:c000:202'],
  ['127.0.0.1', '::ffff:127.0.0.1'],
  ['::1'],
  ['2001:db8::1', '2001:db8::ffff:1', '2001:DB8:0:0:ffff:ffff:ffff:ffff', '2001:0db8:0000:0000::'],
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff::'],
  ['2001:db8:1::1'],
  ['fe80::1', 'fe80::2', 'fe80::1%eth0'],
]

t.test('a network is an IPv4 address, however it is written, or the /64 of an IPv6 address', async (t) => {
  const keys = NETWORKS.map((addresses) => addresses.map(networkKey))
  for (const [index, [first, ...others]] of keys.entries()) {
    for (const other of others) t.equal(other, first, String(NETWORKS[index]))
  }
  t.equal(new Set(keys.map(([first]) => first)).size, NETWORKS.length, 'and no two of them are one')
})

t.test('a network has a hundred failed log-ins in a quarter of an hour, over all accounts', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const [here, elsewhere] = ['203.0.113.9', '203.0.113.10']
  await logIn(service, here, { username: 'nobody', password: WRONG })
  const { db, tables } = service.app.database
  const [row] = await networks(service)
  t.match(row, { key: `network:${here}`, tries: 1 })
  t.equal(Number(row?.until) - Number(row?.updatedAt), WINDOW_MS)

  await db.update(tables.throttle).set({ tries: TRIES - 5 })
  const answers = []
  for (let index = 0; index < 10; index += 1) {
    answers.push(await logIn(service, here, { username: `person-${index}`, password: WRONG }))
  }
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [...Array(5).fill(401), ...Array(5).fill(429)],
  )
  const right = await logIn(service, here)
  t.match(right.json(), { status: 429, code: 'too_many_attempts' })
  t.ok(Number(right.headers['retry-after']) > WINDOW_MS / 2_000)
  t.ok(Number(right.headers['retry-after']) <= WINDOW_MS / 1_000)
  t.equal((await logIn(service, elsewhere)).statusCode, 200, 'other networks go on')

  await db.update(tables.throttle).set({ until: 0 })
  t.equal((await logIn(service, here, { username: 'nobody', password: WRONG })).statusCode, 401)
  const [, again] = await networks(service)
  t.match(again, { key: `network:${here}`, tries: 1 }, 'a new window')
})

t.test('a right password gives the network its try back, and no more', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const here = '203.0.113.9'
  await logIn(service, here, { username: 'nobody', password: WRONG })
  const { db, tables } = service.app.database
  await db.update(tables.throttle).set({ tries: TRIES - 1 })
  for (let times = 0; times < 3; times += 1) t.equal((await logIn(service, here)).statusCode, 200)
  t.match(await networks(service), [{ tries: TRIES - 1 }])
  t.equal((await logIn(service, here, { username: 'nobody-2', password: WRONG })).statusCode, 401)
  t.equal((await logIn(service, here)).statusCode, 429)
})

t.test('of many guesses at the same moment no more than the budget of the network is looked at', async (t) => {
  const service = await startService(t)
  const here = '2001:db8::'
  await logIn(service, `${here}1`, { username: 'nobody', password: WRONG })
  const { db, tables } = service.app.database
  await db.update(tables.throttle).set({ tries: TRIES - 7 })
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      logIn(service, `${here}${index + 2}`, { username: `person-${index}`, password: WRONG }),
    ),
  )
  t.strictSame(
    countBy(answers, ({ statusCode }) => statusCode),
    { 401: 7, 429: 13 },
  )
})

t.test('what an untrusted peer says of its address changes nothing', async (t) => {
  for (const TRUST_PROXY of ['', '10.0.0.0/8,192.168.7.1']) {
    const service = await startService(t, { RATE_LIMIT: '3', TRUST_PROXY })
    const answers = []
    for (let index = 0; index < 5; index += 1) {
      const headers = {
        'x-forwarded-for': `198.51.100.${index}`,
        'x-real-ip': `198.51.100.${index}`,
        'cf-connecting-ip': `198.51.100.${index}`,
        forwarded: `for=198.51.100.${index}`,
      }
      answers.push(await logIn(service, '203.0.113.9', { username: 'nobody', password: WRONG }, headers))
    }
    t.strictSame(
      answers.map(({ statusCode }) => statusCode),
      [401, 401, 401, 429, 429],
    )
    t.match(await networks(service), [{ key: 'network:203.0.113.9', tries: 3 }])
  }
})

t.test('a trusted proxy names the client, and what the client said before that is not believed', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '10.0.0.0/8' })
  const chains = [
    '198.51.100.7',
    '192.0.2.66, 198.51.100.7',
    '192.0.2.67,198.51.100.7, 10.9.9.9',
    '127.0.0.1, 198.51.100.7',
    '::ffff:198.51.100.7',
    'unknown, 198.51.100.7',
  ]
  for (const chain of chains) {
    const response = await logIn(service, '10.1.2.3', undefined, { 'x-forwarded-for': chain })
    t.equal(response.statusCode, 401, chain)
  }
  t.match(await networks(service), [{ key: 'network:198.51.100.7', tries: chains.length }])
  const other = await logIn(service, '10.1.2.3', undefined, { 'x-forwarded-for': '2001:db8::5' })
  t.equal(other.statusCode, 401)
  t.match(await networks(service), [{ key: 'network:198.51.100.7' }, { key: 'network:2001:db8::/64', tries: 1 }])
  for (const chain of ['unknown', '', ',', '_hidden', 'x'.repeat(500), '198.51.100.7:443']) {
    const response = await logIn(service, '10.1.2.3', { username: 'joon' }, { 'x-forwarded-for': chain })
    t.equal(response.statusCode, 401, chain.slice(0, 20))
  }
})

function logIn(
  service: Service,
  remoteAddress: string,
  who: { username?: string; password?: string } = {},
  headers: InjectOptions['headers'] = {},
) {
  const payload = { username: 'mina', password: PASSWORD, ...who }
  return service.request({ method: 'POST', url: '/v1/login', remoteAddress, headers, payload })
}

async function networks(service: Service) {
  const { db, tables } = service.app.database
  const rows = await db.select().from(tables.throttle).orderBy(tables.throttle.key)
  return rows.filter(({ key }) => key.startsWith('network:'))
}
