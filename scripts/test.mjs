// Runs test files, each in a process of its own, as many at once as there are processors.
//   npm test                         all of them on SQLite, then on a PostgreSQL server that it starts
//   npm test refresh attacks/        on SQLite, the files whose path has one of these words in it
//   npm run test:postgres refresh    the same on PostgreSQL, on the server at TEST_DATABASE_URL if that is set
// What follows `--` goes to the files. Prints TAP, or a summary where the output is a terminal.
//
// tap's own runner would put three loaders into every process: for TypeScript, which esbuild has compiled, for mocks, which no
// test uses, and for coverage (npm run coverage uses that runner). They took as long as a file takes by itself.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** How a file begins for which one engine is enough. */
const SQLITE_ONLY = /^\/\/ On SQLite alone: (.+)\.\n/
const BUILT = 'dist-test/test'
/** For a file that says nothing else: a few seconds of work, on a machine that does much else. */
const TIMEOUT_S = 90

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const [own, passedOn] = split(process.argv.slice(2), '--')
const { values, positionals: words } = parseArgs({
  args: own,
  allowPositionals: true,
  options: {
    engine: { type: 'string', multiple: true },
    jobs: { type: 'string', default: String(availableParallelism()) },
    timeout: { type: 'string', default: String(TIMEOUT_S) },
    kind: { type: 'string', default: 'test' },
    // For a run within a run: building would delete the files that the outer one executes.
    built: { type: 'boolean', default: false },
  },
})
const engines = values.engine ?? (words.length > 0 ? ['sqlite'] : ['sqlite', 'postgres'])
for (const script of values.built ? [] : ['scripts/install.mjs', 'esbuild.config.mjs', 'esbuild.test.mjs']) {
  const { status } = spawnSync(process.execPath, [script, 'test'], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
const files = words.length === 0 ? builtFiles() : [...new Set(words.flatMap(filesNamed))]

const failed = []

const { tap } = await import('../test/node_modules/@tapjs/core/dist/esm/index.js')
const t = tap()
// A file has its own limit; the run has none.
t.setTimeout(0)
t.register()
if (process.stdout.isTTY) {
  const { report } = await import('../test/node_modules/@tapjs/reporter/dist/esm/index.js')
  report('terse', t, new Map())
} else t.pipe(process.stdout)
t.jobs = Number(values.jobs)
passSignalsOn()
for (const engine of engines) await (engine === 'postgres' ? runOnPostgres() : run(files, engine))
await t.end()
nameWhatFailed()
// Said outright: the package that starts PostgreSQL ends a process with 0, whatever its exit code is.
process.exit(t.passing() ? 0 : 1)

async function runOnPostgres() {
  const { PostgresServer } = await import('../dist-test/test/support/postgres-server.js')
  const server = process.env.TEST_DATABASE_URL === undefined ? await PostgresServer.create() : undefined
  try {
    const both = files.filter(isForBoth)
    await run(both, 'postgres', { TEST_DATABASE_URL: server?.url ?? process.env.TEST_DATABASE_URL })
  } finally {
    await server?.remove()
  }
}

/** Resolves when all of the files have ended. */
async function run(files, engine, settings = {}) {
  const env = { ...process.env, TAP: '1', TAP_TIMEOUT: values.timeout, TEST_DATABASE: engine, ...settings }
  const timeout = Number(values.timeout) * 1_000
  await Promise.all(
    files.map(async (file) => {
      const { ok } = await t.spawn(
        process.execPath,
        ['--enable-source-maps', file, ...passedOn],
        { env, timeout, buffered: t.jobs > 1, at: null, stack: '' },
        `${sourceOf(file)} on ${engine}`,
      )
      if (!ok) failed.push({ file, engine })
    }),
  )
}

/** The last lines: how to run again what failed, which is far up in a log of twenty thousand lines. */
function nameWhatFailed() {
  for (const { file, engine } of failed) {
    process.stdout.write(`# failed: --kind=${values.kind} --engine=${engine} ${sourceOf(file)}\n`)
  }
}

function isForBoth(file) {
  const [, reason] = SQLITE_ONLY.exec(readFileSync(sourceOf(file), 'utf8')) ?? []
  if (reason !== undefined) t.comment(`${sourceOf(file)} is left out on PostgreSQL: ${reason}`)
  return reason === undefined
}

/** The files of this name, or else those with the word in their path. */
function filesNamed(word) {
  const name = word.replace(/^(dist-test\/)?test\//, '').replace(/\.\w+\.[jt]s$/, '')
  const all = builtFiles()
  const named = all.filter((file) => withoutEnding(file).endsWith(`/${name}`))
  const found = named.length > 0 ? named : all.filter((file) => file.slice(BUILT.length).includes(name))
  if (found.length > 0) return found
  process.stderr.write(`no test has ${word} in its path\n`)
  process.exit(1)
}

function builtFiles(folder = BUILT) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return builtFiles(path)
    return path.endsWith(`.${values.kind}.js`) ? [path] : []
  })
}

function withoutEnding(file) {
  return file.slice(0, -`.${values.kind}.js`.length)
}

function sourceOf(file) {
  return file.replace('dist-test/', '').replace(/\.js$/, '.ts')
}

/** A terminal signals the files too; what a tool sends, it sends to this process alone. */
function passSignalsOn() {
  const running = new Set()
  t.on('subtestStart', (subtest) => running.add(subtest))
  t.on('subtestEnd', (subtest) => running.delete(subtest))
  process.once('SIGTERM', () => {
    for (const { proc } of running) proc?.kill('SIGTERM')
    process.exitCode = 1
    t.bailout('SIGTERM')
  })
}

function split(args, sign) {
  const index = args.indexOf(sign)
  return index < 0 ? [args, []] : [args.slice(0, index), args.slice(index + 1)]
}
