import t from 'tap'

// Run by runner.test.ts.

t.ok(true)
