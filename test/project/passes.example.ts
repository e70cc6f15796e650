import t from 'tap'

// Run by runner.test.ts.

t.test('a test that passes', async (t) => {
  t.ok(true)
})
