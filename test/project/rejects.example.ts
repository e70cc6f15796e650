import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'

// Run by runner.test.ts.

t.test('nobody catches its error', async (t) => {
  setImmediate(() => Promise.reject(new Error('nobody catches this')))
  await sleep(50)
  t.pass('and it goes on')
})
