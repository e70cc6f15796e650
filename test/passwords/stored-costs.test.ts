// In a process of its own: it measures the CPU time of its process.

import { pbkdf2Sync } from 'node:crypto'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { verifyPassword } from '../../src/passwords/hashes.js'
import { StoredCosts } from '../../src/passwords/stored-costs.js'
import { Service, startService } from '../helper.js'
import { contractOf } from '../support/contract.js'
import { freshDatabase } from '../support/databases.js'
import { hashOf, setHash } from '../support/stored-hashes.js'

t.setTimeout(300_000)

/** Expensive enough to be measured. */
const COST = 8
const SCHEME = { name: 'bcrypt', cost: COST } as const
/** About eight times as expensive as bcrypt with this cost. */
const ITERATIONS = 400_000
const PASSWORD = 'correct horse lanterns'
const EXPENSIVE = `pbkdf2:sha256:${ITERATIONS}$salt$${pbkdf2Sync(PASSWORD, 'salt', ITERATIONS, 32, 'sha256').toString('hex')}`

t.test('a wrong password is delayed until the most expensive hash would be done, without using CPU time', async (t) => {
  for (const stored of [undefined, 'no hash']) {
    const began = process.cpuUsage()
    const { restMs } = verifyPassword(PASSWORD, stored, SCHEME, 20 * 2 ** COST)
    const { user } = process.cpuUsage(began)
    const { restMs: none } = verifyPassword(PASSWORD, stored, SCHEME, 2 ** COST)
    t.equal(none, 0, 'no hash costs more than one of the current scheme')
    t.ok(restMs > 0)
    t.ok(user / 1_000 < 20 * restMs, 'only one hash of the current scheme was computed')
  }
  t.equal(verifyPassword('wrong', EXPENSIVE, SCHEME, 2 ** COST).restMs, 0, 'an expensive hash is not delayed further')
  t.equal(verifyPassword('wrong', EXPENSIVE, SCHEME, 2 ** 30).restMs, 5_000, 'no delay exceeds five seconds')
  t.match(verifyPassword(PASSWORD, EXPENSIVE, SCHEME, 2 ** 30), { isRight: true, isOutdated: true, restMs: 0 })
})

t.test('a service learns the cost of imported hashes, so that response times do not reveal them', async (t) => {
  const config = loadConfig({
    ...(await freshDatabase(t)),
    PUBLIC_URL: 'http://latchkey.test',
    RATE_LIMIT: 'off',
    LOGIN_THROTTLE: 'off',
    LOG_LEVEL: 'silent',
    MAX_EVENT_LOOP_DELAY: 'off',
  })
  const app = await buildApp({ ...config, BCRYPT_COST: COST })
  t.teardown(() => app.close())
  await app.ready()
  const service = new Service(app, contractOf(app.swagger() as Record<string, unknown>))
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  await setHash(mina, EXPENSIVE)
  const timeOf = async (username: string) => {
    const began = performance.now()
    const { statusCode } = await service.post('/v1/login', { username, password: 'not the password' })
    t.equal(statusCode, 401)
    return performance.now() - began
  }
  const median = async (username: string) => {
    const times: number[] = []
    for (let n = 0; n < 3; n += 1) times.push(await timeOf(username))
    return times.sort((a, b) => a - b)[1] ?? 0
  }
  const restOf = async (stored?: string) => (await app.passwords.verify('not the password', stored)).restMs
  await timeOf('nobody')
  t.equal(await restOf(), 0, 'more expensive hashes are not yet known')
  await new StoredCosts(app.database, app.passwords).look()
  t.ok((await restOf()) > 0, 'an unknown user name takes as long as the most expensive hash')
  t.ok((await restOf(await hashOf(joon))) > 0, 'a user with a hash of our own takes as long, too')
  // Noise may hide the delay in one try, but hardly in five.
  let isAlike = false
  for (let n = 0; n < 5 && !isAlike; n += 1) {
    const [nobody, own, expensive] = [await median('nobody'), await median('joon'), await median('mina')]
    t.comment({ nobody, own, expensive })
    isAlike = nobody > expensive / 2 && own > expensive / 2
  }
  t.ok(isAlike)
})

t.test('a service without imported hashes adds no delay', async (t) => {
  const service = await startService(t)
  for (const name of ['mina', 'joon']) await service.signUp(name)
  const { database, passwords } = service.app
  const costs = new StoredCosts(database, passwords)
  await costs.look()
  await costs.look()
  t.equal((await passwords.verify('x', undefined)).restMs, 0)
})
