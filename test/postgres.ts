import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../src/package.js'
import { PostgresServer } from './postgres-server.js'

// Runs the tests on PostgreSQL: on the server at TEST_DATABASE_URL, or on one that lives as long as the run.
// npm run test:postgres -- dist-test/test/login.test.js takes one file. All run as compiled: a thread that hashes cannot start
// from TypeScript.

/** About SQLite, its files or its locks, or about no database at all: once is enough. */
const SQLITE_ONLY: Record<string, string> = {
  'compat/walks.test.ts': 'a start without settings, which is one on SQLite',
  'recipe.test.ts': 'a SQLite file',
  'ci.test.ts': 'no database',
  'browser.test.ts': 'the page, which asks no database',
  'clients.test.ts': 'the generated code',
  'backup.test.ts': 'the SQLite file',
  'config.test.ts': 'no database',
  'config-secret.test.ts': 'no database',
  'database.test.ts': 'the SQLite file',
  'database-commits.test.ts': 'commits of the SQLite file',
  'database-damage.test.ts': 'the SQLite file',
  'database-locks.test.ts': 'the SQLite file',
  'deploy.test.ts': 'no database',
  'document-rules.test.ts': 'no database',
  'dev.test.ts': 'no database',
  'documents.test.ts': 'no database',
  'image.test.ts': 'no database',
  'imports.test.ts': 'no database',
  'migrations.test.ts': "SQLite's migrations",
  'networks.test.ts': 'no database',
  'openapi-diff.test.ts': 'no database',
  'openapi-lint.test.ts': 'no database',
  'process.test.ts': 'the SQLite file that a first start makes',
  'process-commands.test.ts': 'the SQLite file that a first start makes',
  'process-logs.test.ts': 'the SQLite file that a first start makes',
  'process-stop.test.ts': 'the SQLite file that a first start makes',
  'security.test.ts': 'no database',
  'secret.test.ts': 'the secret beside the SQLite file',
  'tables.test.ts': "SQLite's tables",
}

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
  const all = (await readdir(`${packageRoot}/test`, { recursive: true }))
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
  for (const file of all) {
    if (SQLITE_ONLY[file]) process.stdout.write(`# test/${file} is left out on PostgreSQL: ${SQLITE_ONLY[file]}\n`)
  }
  return all
    .filter((file) => SQLITE_ONLY[file] === undefined)
    .map((file) => `dist-test/test/${file.replace(/\.ts$/, '.js')}`)
}

/** Coverage is counted in the run on SQLite. */
function run(files: string[]): Promise<number> {
  const tap = spawn(join(packageRoot, 'node_modules', '.bin', 'tap'), ['--disable-coverage', ...files], {
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
