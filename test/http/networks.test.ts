// On SQLite alone: no database.

import type { Socket } from 'node:net'
import { and, eq } from 'drizzle-orm'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { addressOfClient, matcherOf, networkKey } from '../../src/networks.js'
import { countBy, PASSWORD, type Service, startService } from '../helper.js'

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
  // Translated IPv4 addresses (NAT64) are separate networks.
  ['64:ff9b::c000:205', '64:ff9b::192.0.2.5', '64:FF9B::c000:0205'],
  ['64:ff9b::c000:206'],
]

t.test('a network is an IPv4 address, however it is written, or the /64 of an IPv6 address', async (t) => {
  const keys = NETWORKS.map((addresses) => addresses.map(keyOf))
  for (const [index, [first, ...others]] of keys.entries()) {
    for (const other of others) t.equal(other, first, String(NETWORKS[index]))
  }
  t.equal(new Set(keys.map(([first]) => first)).size, NETWORKS.length, 'different networks have different keys')
})

// Values of X-Forwarded-For, who writes them, and the address of the client in each.
const WRITTEN: [by: string, header: string, address: string][] = [
  ['nginx, HAProxy', '198.51.100.N', '198.51.100.N'],
  ['nginx, HAProxy', '2001:DB8:N:0::7', '2001:db8:N::7'],
  ['a socket of both families', '::ffff:198.51.100.N', '198.51.100.N'],
  ['AWS ALB with the client port', '198.51.100.N:PORT', '198.51.100.N'],
  ['AWS ALB with the client port', '[2001:db8:N::7]:PORT', '2001:db8:N::7'],
  ['Azure Application Gateway', '192.0.2.66:80, 198.51.100.N:PORT', '198.51.100.N'],
  ['Azure Application Gateway', '[2001:0db8:N:0000:0000:0000:0000:0007]:PORT', '2001:db8:N::7'],
  ['a port without brackets', '2001:db8:N:0:0:0:0:7:PORT', '2001:db8:N::7'],
  ['a mapped address with a port', '[::ffff:198.51.100.N]:PORT', '198.51.100.N'],
  ['quotes, as in Forwarded', '"[2001:db8:N::7]:PORT"', '2001:db8:N::7'],
  ['quotes, as in Forwarded', '"198.51.100.N:PORT"', '198.51.100.N'],
  ['brackets without a port', '[2001:db8:N::7]', '2001:db8:N::7'],
  ['a hidden port of RFC 7239', '[2001:db8:N::7]:_PORT', '2001:db8:N::7'],
  ['a zone', '2001:db8:N::7%ethPORT', '2001:db8:N::7'],
  ['a zone with a port', '[2001:db8:N::7%25ethPORT]:PORT', '2001:db8:N::7'],
  ['two proxies, both with ports', '[2001:db8:N::7]:PORT, 10.0.0.5:PORT', '2001:db8:N::7'],
  ['two proxies', '198.51.100.N:PORT, [::ffff:10.0.0.5]:PORT\t,  10.0.0.6', '198.51.100.N'],
]

t.test('a client has one address and one budget, however a proxy writes the address', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '10.0.0.0/8', RATE_LIMIT: '4' })
  await service.signUp('mina')
  for (const [row, [by, header, address]] of WRITTEN.entries()) {
    // Each row has its own network, and each request its own port.
    const number = String(101 + row)
    const ip = address.replace('N', number)
    const answers = []
    for (const port of ['1001', '1002', '1003', '1004', '1005']) {
      const claim = header.replace('N', number).replaceAll('PORT', port)
      const password = port === '1001' ? PASSWORD : WRONG
      const username = port === '1001' ? 'mina' : `nobody-${row}`
      answers.push(await logIn(service, '10.1.2.3', { username, password }, { 'x-forwarded-for': claim }))
    }
    const name = `${by}: ${header}`
    t.strictSame(
      answers.map(({ statusCode }) => statusCode),
      [200, 401, 401, 401, 429],
      name,
    )
    const { db, tables } = service.app.database
    t.equal(
      await db.$count(tables.events, and(eq(tables.events.type, 'login.failed'), eq(tables.events.ip, ip))),
      3,
      name,
    )
    const authorization = `Bearer ${answers[0]?.json().access_token}`
    t.equal((await service.get('/v1/sessions', { authorization })).json().items[0].ip, ip, name)
  }
})

t.test('an invalid X-Forwarded-For counts as the address of the proxy', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '10.0.0.0/8', RATE_LIMIT: '12' })
  const garbage = (n: number) => [
    `unknown-${n}`,
    `_hidden${n}`,
    `999.0.0.${n}`,
    `198.51.100.7:${n}:${n}`,
    `[2001:db8::${n}`,
    `2001:db8::${n}::1`,
    `0x7f.0.0.${n}`,
    `"${n}`,
    `%${n}`,
    `[]:${n}`,
    `${n}`,
    String(n).repeat(500),
  ]
  for (const text of garbage(1)) {
    const answer = await logIn(
      service,
      '10.1.2.3',
      { username: `nobody-${text.slice(0, 20)}` },
      { 'x-forwarded-for': text },
    )
    t.equal(answer.statusCode, 401, text.slice(0, 30))
  }
  for (const text of garbage(2)) {
    t.equal((await logIn(service, '10.1.2.3', {}, { 'x-forwarded-for': text })).statusCode, 429, text.slice(0, 30))
  }
  t.match(await networks(service), [{ key: 'network:10.1.2.3', tries: garbage(1).length }])
  t.equal((await logIn(service, '10.1.2.4', {}, { 'x-forwarded-for': '1' })).statusCode, 401, 'another proxy')
  t.equal((await logIn(service, '10.1.2.3', {}, { 'x-forwarded-for': '192.0.2.1' })).statusCode, 401)
})

t.test('TRUST_PROXY matches a proxy in any spelling of its address', async (t) => {
  for (const [range, peer, isTrusted] of [
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '10.1.2.3:4711', true],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['0.0.0.0/0', '192.0.2.1', true],
    ['2001:db8:a::/48', '2001:DB8:A:0::9', true],
    ['2001:db8:a::/48', '[2001:db8:a::9]:443', true],
    ['fe80::1', 'fe80::1%eth0', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::1', '127.0.0.1', false],
    ['64:ff9b::/96', '10.1.2.3', false],
    ['10.0.0.0/8', '64:ff9b::a01:203', false],
    ['10.0.0.0/8', 'unknown', false],
    ['10.0.0.0/8', undefined, false],
  ] as const) {
    t.equal(matcherOf([range])(peer), isTrusted, `${range} and ${peer}`)
  }
})

t.test('a network has a hundred failed log-ins in 15 minutes, over all accounts', async (t) => {
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
  t.equal((await logIn(service, elsewhere)).statusCode, 200, 'other networks are not limited')

  await db.update(tables.throttle).set({ until: 0 })
  t.equal((await logIn(service, here, { username: 'nobody', password: WRONG })).statusCode, 401)
  const [, again] = await networks(service)
  t.match(again, { key: `network:${here}`, tries: 1 }, 'a new window')
})

t.test('a successful log-in gives the network its own try back, and no other', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const here = '203.0.113.9'
  await logIn(service, here, { username: 'nobody', password: WRONG })
  const { db, tables } = service.app.database
  await db.update(tables.throttle).set({ tries: TRIES - 1 })
  for (let times = 0; times < 3; times += 1) t.equal((await logIn(service, here)).statusCode, 200)
  t.match(await networks(service), [{ tries: TRIES - 1 }])
  t.equal((await logIn(service, here, { username: 'nobody-2', password: WRONG })).statusCode, 401)
  t.equal((await logIn(service, here, { username: 'nobody-3', password: WRONG })).statusCode, 429)
})

t.test('concurrent guesses do not exceed the budget of their network', async (t) => {
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

t.test('the forwarding headers of an untrusted peer are ignored', async (t) => {
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

t.test('the address that a trusted proxy adds counts, and addresses that the client sent are ignored', async (t) => {
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
  t.strictSame(
    (await networks(service)).map(({ key }) => key),
    ['network:198.51.100.7', 'network:2001:db8::/48', 'network:2001:db8::/56', 'network:2001:db8::/64'],
  )
  for (const chain of ['unknown', '', ',', '_hidden', 'x'.repeat(500), '198.51.100.7:443']) {
    const response = await logIn(service, '10.1.2.3', { username: 'joon' }, { 'x-forwarded-for': chain })
    t.equal(response.statusCode, 401, chain.slice(0, 20))
  }
})

function keyOf(ip: string): string {
  return networkKey(addressOfClient({ ip, socket: {} as Socket }))
}

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
