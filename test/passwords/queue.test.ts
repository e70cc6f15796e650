// On SQLite alone: the queue for hash threads does not depend on the database.

import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { memoryOf } from '../../src/passwords/memory.js'
import { HashQueue, type Turn } from '../../src/passwords/queue.js'
import { countBy, PASSWORD, type Service, startService } from '../helper.js'
import { listen } from '../support/wire.js'

const TRIES = 10
const WRONG = 'not the password'
/** Log-ins of another user, one after the other, during a flood. */
const LOG_INS = 6

t.setTimeout(240_000)

t.test('log-ins beyond the hashing capacity return 503 with Retry-After, and count as no failed log-in', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '0' })
  const people = Array.from({ length: 12 }, (_, index) => `person-${index}`)
  for (const person of people) await service.signUp(person)
  const answers = await Promise.all(people.flatMap((person) => [1, 2, 3].map(() => logIn(service, person))))
  t.strictSame(Object.keys(countBy(answers, ({ statusCode }) => statusCode)), ['200', '503'])
  for (const answer of answers.filter(({ statusCode }) => statusCode === 503)) assertOverloaded(t, answer)
  const { db, tables } = service.app.database
  const tries = (await db.select().from(tables.throttle)).filter((row) => row.tries > 0)
  t.strictSame(tries, [])
  for (const person of people) t.equal((await logIn(service, person)).statusCode, 200)
})

t.test('overload neither uses up nor extends the budget of failed log-ins', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '0' })
  await service.signUp('mina')
  for (const username of ['mina', 'nobody']) {
    const seen: Record<string, number> = { 401: 0, 503: 0 }
    const tryAtOnce = async (count: number) => {
      const answers = await Promise.all(Array.from({ length: count }, () => logIn(service, username, WRONG)))
      for (const { statusCode } of answers) seen[statusCode] = (seen[statusCode] ?? 0) + 1
    }
    while (seen[429] === undefined) await tryAtOnce(6)
    t.ok(Number(seen[503]) > 0, 'there was overload')
    // Near the end of the budget, a try can get 429 because of a concurrent try that then gets 503 and returns its
    // place. Therefore the remaining tries run one by one.
    const turnedAway = seen[429]
    while (seen[429] === turnedAway) await tryAtOnce(1)
    t.equal(seen[401], TRIES, username)
    t.equal((await logIn(service, username)).statusCode, 429)
  }
})

t.test('every route that hashes returns 503 on overload, and stores nothing', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '0' })
  await service.signUp('mina')
  const flood = (ask: (index: number) => Promise<Response>) =>
    Promise.all(Array.from({ length: 9 }, (_, index) => ask(index)))
  const form = new URLSearchParams({ grant_type: 'password', username: 'mina', password: PASSWORD }).toString()
  const tokens = await flood(() =>
    service.post('/v1/token', form, { 'content-type': 'application/x-www-form-urlencoded' }),
  )
  t.strictSame(Object.keys(countBy(tokens, ({ statusCode }) => statusCode)), ['200', '503'])
  for (const answer of tokens.filter(({ statusCode }) => statusCode === 503)) {
    t.equal(answer.json().error, 'temporarily_unavailable')
    t.equal(answer.headers['retry-after'], '1')
  }
  const registrations = await flood((index) =>
    service.post('/v1/register', { username: `person-${index}`, password: PASSWORD }),
  )
  t.strictSame(Object.keys(countBy(registrations, ({ statusCode }) => statusCode)), ['201', '503'])
  for (const [index, answer] of registrations.entries()) {
    if (answer.statusCode === 503) assertOverloaded(t, answer)
    const retried = await service.post('/v1/register', { username: `person-${index}`, password: PASSWORD })
    t.equal(
      retried.statusCode,
      answer.statusCode === 503 ? 201 : 409,
      'a registration that was turned away stored nothing',
    )
  }
})

t.test('a burst of log-ins waits in the queue, and all of them succeed', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  await service.signUp('mina')
  const answers = await Promise.all(Array.from({ length: 30 }, () => logIn(service, 'mina')))
  t.strictSame(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 30 },
  )
})

function logIn(service: Service, username: string, password = PASSWORD): Promise<Response> {
  return service.post('/v1/login', { username, password })
}

function assertOverloaded(t: Test, answer: Response): void {
  t.match(answer.json(), { status: 503, code: 'hashing_overloaded' })
  t.equal(answer.headers['retry-after'], '1')
}

t.test('a waiting hash is skipped once its client has left, and frees its place in the queue', async (t) => {
  const queue = new HashQueue(2, 1)
  const done: string[] = []
  let finish = () => {}
  const running = queue.run(
    () =>
      new Promise<void>((resolve) => {
        finish = resolve
      }),
  )
  let hasLeft = false
  const leaver = queue.run(async () => done.push('leaver'), { isGone: () => hasLeft })
  const patient = queue.run(async () => done.push('patient'))
  await t.rejects(
    queue.run(async () => done.push('refused')),
    { code: 'hashing_overloaded' },
  )
  hasLeft = true
  const late = queue.run(async () => done.push('late'))
  await t.rejects(leaver, { code: 'hashing_overloaded' })
  finish()
  await Promise.all([running, patient, late])
  t.strictSame(done, ['patient', 'late'])
})

/** A queue whose hashes finish when the test lets them. */
function heldQueue(limit: number, slots = 1) {
  const queue = new HashQueue(limit, slots)
  const started: string[] = []
  const refused: string[] = []
  const ends = new Map<string, () => void>()
  const tick = () => new Promise((resolve) => setImmediate(resolve))
  return {
    queue,
    started,
    refused,
    /** Queues a hash under this name. */
    async ask(name: string, turn: Turn = {}) {
      const work = () =>
        new Promise<void>((resolve) => {
          started.push(name)
          ends.set(name, resolve)
        })
      queue.run(work, turn).catch(({ code }) => {
        refused.push(name)
        if (code !== 'hashing_overloaded') throw new Error(code)
      })
      await tick()
    },
    async end(name: string | undefined) {
      ends.get(name ?? '')?.()
      await tick()
    },
  }
}

const MIB = 2 ** 20
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

t.test('another user is next after the running hashes, however many of one account or network wait', async (t) => {
  const floods: Record<string, (index: number) => Turn> = {
    'one account from one network': () => ({ account: 'user:1', network: 'network:a' }),
    'one account with sessions': () => ({ account: 'user:1' }),
    'one account from many networks': (index) => ({ account: 'user:1', network: `network:${index}` }),
    'many names from one network': (index) => ({ account: `name:${index}`, network: 'network:a' }),
  }
  for (const [flood, turn] of Object.entries(floods)) {
    const { started, ask, end } = heldQueue(32)
    for (const [index, name] of names('flood', 20).entries()) await ask(name, turn(index))
    await end('flood0')
    await end('flood1')
    t.same(started, ['flood0', 'flood1', 'flood2'])
    const isSameNetwork = flood !== 'many names from one network'
    await ask('victim', { account: 'name:mina', network: isSameNetwork ? 'network:a' : 'network:b' })
    await ask('second victim', { account: 'name:joon', network: 'network:c' })
    await end('flood2')
    await end(started[3])
    t.same(started.slice(3).sort(), ['second victim', 'victim'], flood)
  }
})

t.test('at most one hash of an account runs at a time, and the other slots serve other accounts', async (t) => {
  const { started, ask, end } = heldQueue(32, 2)
  for (const name of names('flood', 8)) await ask(name, { account: 'user:1' })
  t.same(started, ['flood0'])
  await ask('victim', { account: 'name:mina', network: 'network:a' })
  t.same(started, ['flood0', 'victim'])
  await end('flood0')
  t.same(started, ['flood0', 'victim', 'flood1'])
})

t.test('in a full queue, the newest hash of the busiest account gives way to an account that has none', async (t) => {
  const { queue, started, refused, ask, end } = heldQueue(4)
  for (const name of names('flood', 5)) await ask(name, { account: 'user:1', network: 'network:a' })
  t.equal(queue.waiting, 4)
  await ask('flood5', { account: 'user:1', network: 'network:b' })
  t.same(refused, ['flood5'], 'the flood itself displaces no hash')
  await ask('victim', { account: 'name:mina', network: 'network:a' })
  t.same(refused, ['flood5', 'flood4'])
  await ask('victim again', { account: 'name:mina', network: 'network:a' })
  t.same(refused, ['flood5', 'flood4', 'victim again'], 'an account that already waits displaces no hash')
  t.equal(queue.waiting, 4)
  t.doesNotThrow(() => queue.assertRoom({ account: 'name:joon', network: 'network:c' }))
  t.throws(() => queue.assertRoom({ account: 'user:1' }), { code: 'hashing_overloaded' })
  await end('flood0')
  t.equal(started[1], 'victim')
})

t.test('accounts with one waiting hash each are not displaced', async (t) => {
  const { refused, ask } = heldQueue(3)
  for (const name of names('person', 4)) await ask(name, { account: name, network: `network:${name}` })
  await ask('late', { account: 'late', network: 'network:late' })
  t.same(refused, ['late'])
})

t.test('hashes that need much memory share a budget, and do not block other hashes', async (t) => {
  const { started, ask, end } = heldQueue(32, 2)
  await ask('argon2', { account: 'a', memory: 100 * MIB })
  await ask('second argon2', { account: 'b', memory: 100 * MIB })
  await ask('small scrypt', { account: 'c', memory: 17 * MIB })
  t.same(started, ['argon2'], 'the small hash does not overtake, because others like it would starve the large one')
  await ask('bcrypt', { account: 'd' })
  t.same(started, ['argon2', 'bcrypt'])
  await end('argon2')
  t.same(started, ['argon2', 'bcrypt', 'second argon2'])
  await end('bcrypt')
  t.same(started, ['argon2', 'bcrypt', 'second argon2', 'small scrypt'], 'both are within the budget')
})

t.test('the memory that a stored hash needs is read from its text', async (t) => {
  const hashes: [hash: string, mebibytes: number][] = [
    ['$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$AAAA', 100],
    ['argon2$argon2id$v=19$m=65536,t=2,p=8$c2FsdHNhbHQ$AAAA', 64],
    ['scrypt:32768:8:1$salt$ab', 32],
    ['scrypt$16384$salt$8$5$AAAA', 16],
    ['$scrypt$ln=17,r=8,p=1$c2FsdA$AAAA', 128],
    ['$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$AAAA', 0],
    [`scrypt:${2 ** 30}:8:1$salt$ab`, 0],
    ['$2b$12$abc', 0],
    ['!', 0],
  ]
  for (const [hash, mebibytes] of hashes) t.equal(memoryOf(hash), mebibytes * MIB, hash)
})

t.test('sixty connections of one account with the right password do not block log-ins of other users', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '32' })
  await floodWhileLoggingIn(t, service, { accounts: 1, connections: 60 })
})

t.test('many accounts of one network with the right password do not block log-ins of other networks', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '8', TRUST_PROXY: '127.0.0.1' })
  await floodWhileLoggingIn(t, service, { accounts: 12, connections: 24 })
})

/**
 * Floods the service with password confirmations of these accounts from one network, while a user logs in from another.
 */
async function floodWhileLoggingIn(
  t: Test,
  service: Service,
  { accounts, connections }: { accounts: number; connections: number },
) {
  const tokens: string[] = []
  for (let n = 0; n < accounts; n += 1) tokens.push((await service.signUp(`mallory${n}`)).token)
  await service.signUp('victim')
  const url = `http://127.0.0.1:${await listen(service)}`
  const send = async (path: string, init: { method: string; headers: Record<string, string>; body: object }) => {
    const headers = { 'content-type': 'application/json', ...init.headers }
    const answer = await fetch(url + path, { ...init, headers, body: JSON.stringify(init.body) })
    await answer.arrayBuffer()
    return answer.status
  }
  let isOn = true
  const seen: number[] = []
  const flood = Array.from({ length: connections }, async (_, index) => {
    const headers = { authorization: `Bearer ${tokens[index % accounts]}`, 'x-forwarded-for': '203.0.113.9' }
    const body = { name: 'M', current_password: PASSWORD }
    while (isOn) seen.push(await send('/v1/me', { method: 'PATCH', headers, body }))
  })
  const statuses: number[] = []
  for (let n = 0; n < LOG_INS; n += 1) {
    const headers = { 'x-forwarded-for': '198.51.100.7' }
    const body = { username: 'victim', password: PASSWORD }
    statuses.push(await send('/v1/login', { method: 'POST', headers, body }))
  }
  isOn = false
  await Promise.all(flood)
  t.same(statuses, Array(LOG_INS).fill(200))
  t.ok(seen.includes(503), 'the queue was full')
}
