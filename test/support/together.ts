import asyncHooks, { type AsyncHook } from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'

// Runs test files one after the other in this process: `node together.js <file>... -- <argument>...`. The packages, the
// service and its compiled documents are loaded only once; loading them takes longer than most files.

/** Methods of the root test. Calls from a file are passed to the file's own test. */
const ASKED_OF_ROOT = ['test', 'setTimeout', 'before', 'beforeEach', 'afterEach', 'teardown'] as const
const LIMIT_MS = Number(process.env.TAP_TIMEOUT) * 1_000
/** How much longer the process may take than a file. */
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
 * tap makes Node report every promise (async_hooks), to find the test that an uncaught error belongs to. The reports
 * took a sixth of the CPU time of a run. Here, an uncaught error belongs to the file that is running.
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

/** The process may take as long as the file that it runs. */
function limit(own: Test, ms: number): void {
  own.setTimeout(ms)
  root.setTimeout(ms === 0 ? 0 : ms + MARGIN_MS)
}
