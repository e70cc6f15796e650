import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'

// Run by runner.test.ts.

t.test('a rejection that no code catches', async (t) => {
  setImmediate(() => Promise.reject(new Error('nobody catches this')))
  await sleep(50)
  t.pass('the test itself passes')
})
