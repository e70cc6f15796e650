import asyncHooks, { type AsyncHook } from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'

// Runs test files one after the other in this process: `node together.js <file>... -- <argument>...`. The packages, the service
// and what is compiled of its documents are loaded once, which takes longer than most files.

/** What a file asks of the root of its tests goes to a test of its own. */
const ASKED_OF_ROOT = ['test', 'setTimeout', 'before', 'beforeEach', 'afterEach', 'teardown'] as const
const LIMIT_MS = Number(process.env.TAP_TIMEOUT) * 1_000
/** How much later than a file its process may be late. */
const MARGIN_MS = 10_000

const t = await loadTap()
let running: Pick<Test, 'threw'> = t
const root = { test: t.test.bind(t), setTimeout: t.setTimeout.bind(t) }

const files = process.argv.slice(2)
for (const file of files.slice(0, files.indexOf('--'))) {
  const name = file.replace('dist-test/', '').replace(/\.js$/, '.ts')
  await root.test(name, async (own) => {
    takeTheRoot(own)
    running = own
    limit(own, LIMIT_MS)
    await import(pathToFileURL(resolve(file)).href)
  })
}

/**
 * tap has Node report every promise to it (async_hooks), to know which test an error belongs to that nobody catches. That took a
 * sixth of the CPU of a run. Here such an error belongs to the file that is running.
 */
async function loadTap(): Promise<Test> {
  const { createHook } = asyncHooks
  const idle: AsyncHook = { enable: () => idle, disable: () => idle }
  asyncHooks.createHook = () => idle
  syncBuiltinESMExports()
  const { default: t } = await import('tap')
  asyncHooks.createHook = createHook
  syncBuiltinESMExports()
  for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => running.threw(error))
  return t
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
