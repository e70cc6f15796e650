// On SQLite alone: the runner only passes the engine on.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../src/package.js'

// A failed run must have an exit code that says so: CI checks nothing else.

t.setTimeout(240_000)
const execute = promisify(execFile)

// A file that hangs takes almost half a minute to fail. Both of these runs start now, and the others run meanwhile.
const MIXED = ['throws', 'rejects', 'hangs', 'fails']
const hanging = run('hangs', '--timeout=2')
const mixed = run('passes', ...MIXED, '--timeout=2')

t.test('a run exits with 1 if a file fails, throws, hangs or does not exist', async (t) => {
  t.same(await run('passes'), { code: 0, failed: [] })
  t.same(await run('throws'), { code: 1, failed: ['test/project/throws.example.ts'] })
  t.same(await run('passes', 'fails'), { code: 1, failed: ['test/project/fails.example.ts'] })
  t.same(await run('no-such-file'), { code: 1, failed: [] })
  t.same(await hanging, { code: 1, failed: ['test/project/hangs.example.ts'] })
})

t.test('failures of files that share a process are reported for each file', async (t) => {
  t.same(await mixed, {
    code: 1,
    failed: MIXED.map((name) => `test/project/${name}.example.ts`),
  })
  const { code, failed } = await run('ends', 'passes')
  t.equal(code, 1)
  t.match(
    failed,
    ['test/project/ends.example.ts', 'test/project/passes.example.ts'],
    'a file that never began did not pass',
  )
})

// The package that starts PostgreSQL installs hooks that exit with 0. No server is needed, because nothing connects.
t.test('a run that fails on PostgreSQL exits with 1', async (t) => {
  t.same(await run('fails', '--engine=postgres'), { code: 1, failed: ['test/project/fails.example.ts'] })
})

/** Runs example files. Resolves to the exit code, and to the files that the last lines name as failed. */
async function run(...args: string[]): Promise<{ code: number; failed: string[] }> {
  const command = ['scripts/test.mjs', '--built', '--kind=example', ...args]
  const env = { PATH: process.env.PATH, TEST_DATABASE_URL: 'postgres://127.0.0.1:9/none' }
  const { code, stdout } = await execute(process.execPath, command, { cwd: join(packageRoot), env }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => error,
  )
  return { code, failed: [...stdout.matchAll(/^# failed: .* (\S+)$/gm)].map(([, file]) => `${file}`) }
}
