import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'

// Runs test files one after the other in this process: `node together.js <file>...`. The packages, the service and what is
// compiled of its documents are loaded once, which takes longer than most files. scripts/test.mjs says which may share one.

/** What a file asks of the root of its tests goes to a test of its own. */
const ASKED_OF_ROOT = ['test', 'setTimeout', 'before', 'beforeEach', 'afterEach', 'teardown'] as const
const LIMIT_MS = Number(process.env.TAP_TIMEOUT) * 1_000
/** How much later than a file its process may be late. */
const MARGIN_MS = 10_000

const root = { test: t.test.bind(t), setTimeout: t.setTimeout.bind(t) }

for (const file of process.argv.slice(2)) {
  const name = file.replace('dist-test/', '').replace(/\.js$/, '.ts')
  await root.test(name, async (own) => {
    takeTheRoot(own)
    limit(own, LIMIT_MS)
    await import(pathToFileURL(resolve(file)).href)
  })
}

function takeTheRoot(own: Test): void {
  for (const method of ASKED_OF_ROOT) Reflect.set(t, method, Reflect.get(own, method).bind(own))
  Reflect.set(t, 'setTimeout', (ms: number) => limit(own, ms))
}

/** The process may take as long as the file that runs in it. */
function limit(own: Test, ms: number): void {
  own.setTimeout(ms)
  root.setTimeout(ms === 0 ? 0 : ms + MARGIN_MS)
}
