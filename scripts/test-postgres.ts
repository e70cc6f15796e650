import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../src/package.js'
import { PostgresServer } from '../test/support/postgres-server.js'

// Runs the tests on PostgreSQL: on the server at TEST_DATABASE_URL, or on one that lives as long as the run.
// npm run test:postgres -- dist-test/test/accounts/login.test.js takes one file. All run as compiled: a thread that hashes cannot start
// from TypeScript.

/** How a test begins for which one engine is enough: it is about SQLite, its files or its locks, or needs no database. */
const SQLITE_ONLY = /^\/\/ On SQLite alone: (.+)\.\n/

const given = process.argv.slice(2)
const files = given.some((argument) => /\.[jt]s$/.test(argument)) ? given : [...given, ...(await filesForBoth())]
const server = process.env.TEST_DATABASE_URL === undefined ? await PostgresServer.create() : undefined
const url = server?.url ?? process.env.TEST_DATABASE_URL
let status = 1
try {
  status = await run(files)
} finally {
  await server?.remove()
}
process.exit(status)

async function filesForBoth(): Promise<string[]> {
  const folder = join(packageRoot, 'test')
  const all = (await readdir(folder, { recursive: true }))
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .sort()
  const forBoth: string[] = []
  for (const file of all) {
    const reason = SQLITE_ONLY.exec(await readFile(join(folder, file), 'utf8'))?.[1]
    if (reason === undefined) forBoth.push(`dist-test/test/${file.replace(/\.ts$/, '.js')}`)
    else process.stdout.write(`# test/${file} is left out on PostgreSQL: ${reason}\n`)
  }
  return forBoth
}

/** Coverage is counted in the run on SQLite. */
function run(files: string[]): Promise<number> {
  const tap = spawn(join(packageRoot, 'test', 'node_modules', '.bin', 'tap-run'), ['--disable-coverage', ...files], {
    cwd: packageRoot,
    stdio: 'inherit',
    env: { ...process.env, TEST_DATABASE: 'postgres', TEST_DATABASE_URL: url },
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap.kill(signal))
  return new Promise((resolve, reject) => {
    tap.on('error', reject)
    tap.on('exit', (code) => resolve(code ?? 1))
  })
}
