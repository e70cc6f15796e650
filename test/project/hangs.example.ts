import t from 'tap'

// Run by runner.test.ts, with a short time-out.

t.test('a test that never ends', async () => {
  setInterval(() => {}, 1_000)
  await new Promise(() => {})
})
