// Run by runner.test.ts: fails before its first assertion.

throw new Error('This file cannot be run')
