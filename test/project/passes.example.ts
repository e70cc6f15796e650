import t from 'tap'

// Run by runner.test.ts.

t.test('it passes', async (t) => {
  t.ok(true)
})
