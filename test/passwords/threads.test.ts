// On SQLite alone: no database.
// In a process of its own: it looks at the threads and the CPU time of its process.

import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { Passwords } from '../../src/passwords/passwords.js'
import { inThread } from '../../src/passwords/threads.js'

const COST = 4
const SCHEME = { name: 'bcrypt', cost: COST } as const
const LOWER = constants.priority.PRIORITY_BELOW_NORMAL
const SKIP =
  process.platform !== 'linux'
    ? 'only Linux gives each thread a priority of its own'
    : getPriority() >= LOWER && 'this process has no higher priority than the threads are given'
/** Read before the first hash thread starts. A runner may itself have a lower priority. */
const OWN = getPriority()
const PASSWORD = 'three quiet lanterns'

t.test('threads that hash have a lower priority than the rest of the process', { skip: SKIP }, async (t) => {
  await inThread('hashPassword', [PASSWORD, SCHEME])
  const priorities = readdirSync('/proc/self/task').map(niceOf)
  t.equal(getPriority(), OWN, 'the process itself keeps its priority')
  t.same(
    priorities.filter((nice) => nice !== OWN),
    [LOWER],
  )
})

t.test('a task that fails is rejected, and the other tasks go on', async (t) => {
  const stored = await inThread('hashPassword', [PASSWORD, SCHEME])
  const results = await Promise.allSettled([
    inThread('verifyPassword', [PASSWORD, stored, SCHEME]),
    inThread('hashPassword', [PASSWORD, { name: 'bcrypt', cost: 99 }]),
    inThread('verifyPassword', ['not the password', stored, SCHEME]),
  ])
  t.match(results, [
    { status: 'fulfilled', value: { isRight: true } },
    { status: 'rejected' },
    { status: 'fulfilled', value: { isRight: false } },
  ])
  t.match(await inThread('verifyPassword', [PASSWORD, stored, SCHEME]), { isRight: true, isOutdated: false })
})

/** Takes more than a second on any machine. */
const SLOW_HASH = `$6$rounds=1000000$salt$${'a'.repeat(86)}`
const SHORT_DEADLINE_MS = 50
const HUNDRED_HASHES_MS = 60_000

t.test('a hash that takes too long ends its thread, and no other task', { timeout: HUNDRED_HASHES_MS }, async (t) => {
  const stored = await inThread('hashPassword', [PASSWORD, SCHEME])
  const slow = inThread('verifyPassword', [PASSWORD, SLOW_HASH, SCHEME], SHORT_DEADLINE_MS)
  const others = Array.from({ length: 2 }, () => inThread('verifyPassword', [PASSWORD, stored, SCHEME]))
  await t.rejects(slow, { name: 'HashDeadlineError' })
  for (const verdict of await Promise.all(others)) t.equal(verdict.isRight, true)
  t.equal(await ends(), true, 'the thread no longer uses the processor')
  t.match(await inThread('verifyPassword', [PASSWORD, stored, SCHEME]), { isRight: true })
})

t.test('a hash that takes too long counts as a wrong password, and its slot is free again', async (t) => {
  const config = { ...loadConfig({ HASH_QUEUE: '0' }), BCRYPT_COST: COST }
  const quick = new Passwords(config, { deadlineMs: SHORT_DEADLINE_MS })
  const patient = new Passwords(config)
  const stored = await patient.hash(PASSWORD)
  for (let n = 0; n <= quick.slots; n += 1) {
    t.match(await quick.verify(PASSWORD, SLOW_HASH), { isRight: false, isOutdated: false })
  }
  t.equal(quick.waiting, 0)
  const overloaded = new Passwords({ ...config, BCRYPT_COST: 15 }, { deadlineMs: SHORT_DEADLINE_MS })
  const own = `$bcrypt-sha256$v=2,t=2b,r=15$${'.'.repeat(22)}$${'.'.repeat(31)}`
  for (const hash of [own, undefined]) {
    await t.rejects(
      overloaded.verify(PASSWORD, hash),
      { code: 'hashing_overloaded' },
      'the error does not say that the password is wrong',
    )
  }
  await t.rejects(overloaded.hash(PASSWORD), { code: 'hashing_overloaded' })
  t.match(await patient.verify(PASSWORD, stored), { isRight: true })
})

/** Whether the process comes to use less than half of a processor, as it does when no thread hashes any more. */
async function ends(): Promise<boolean> {
  for (let n = 0; n < 100; n += 1) {
    const before = process.cpuUsage()
    await sleep(100)
    const { user, system } = process.cpuUsage(before)
    if (user + system < 50_000) return true
  }
  return false
}

/** The nice value, as proc(5) describes it: the 19th value of a thread's line, after its name in parentheses. */
function niceOf(thread: string): number {
  const [, values = ''] = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')
  return Number(values.split(' ')[16])
}
