import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority } from 'node:os'
import t from 'tap'
import { inThread } from '../src/hash-threads.js'

const COST = 4
const LOWER = constants.priority.PRIORITY_BELOW_NORMAL
const PASSWORD = 'three quiet lanterns'

t.test(
  'threads that hash leave the processor to everything else',
  {
    skip: process.platform === 'linux' ? false : 'only Linux gives each thread a priority of its own',
  },
  async (t) => {
    await inThread('hashPassword', PASSWORD, COST)
    const priorities = readdirSync('/proc/self/task').map(niceOf)
    t.equal(priorities.filter((nice) => nice === LOWER).length, 1)
    t.ok(priorities.every((nice) => nice === LOWER || nice === 0))
    t.equal(getPriority(), 0, 'the process itself keeps its own')
  },
)

t.test('a task that fails says so, and ends nobody else', async (t) => {
  const stored = await inThread('hashPassword', PASSWORD, COST)
  const results = await Promise.allSettled([
    inThread('verifyPassword', PASSWORD, stored, COST),
    inThread('hashPassword', PASSWORD, 99),
    inThread('verifyPassword', 'not the password', stored, COST),
  ])
  t.match(results, [
    { status: 'fulfilled', value: { isRight: true } },
    { status: 'rejected' },
    { status: 'fulfilled', value: { isRight: false } },
  ])
  t.match(await inThread('verifyPassword', PASSWORD, stored, COST), { isRight: true, isOutdated: false })
})

/** As proc(5) has it: the 19th value of a thread's line, behind its name in parentheses. */
function niceOf(thread: string): number {
  const [, values = ''] = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')
  return Number(values.split(' ')[16])
}
