import t from 'tap'

// Run by runner.test.ts.

t.test('it fails', async (t) => {
  t.ok(false)
})
