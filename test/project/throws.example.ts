// Run by runner.test.ts: it ends before its first assertion.

throw new Error('This file cannot be run')
