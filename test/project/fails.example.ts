import t from 'tap'

// Run by runner.test.ts.

t.test('a test that fails', async (t) => {
  t.ok(false)
})
