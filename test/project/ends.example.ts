import t from 'tap'

// Run by runner.test.ts.

t.test('a test that ends its process', async (t) => {
  t.pass('before the exit')
  process.exit(0)
})
