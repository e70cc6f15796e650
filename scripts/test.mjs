// Runs test files. The number of processes is one more than the number of processors, because some files wait for a
// server or a timer. Files of a folder share processes. A file that changes or measures its process begins with
// `// In a process of its own: <reason>.`
//   npm test                         all files on SQLite and, at the same time, on a PostgreSQL server that it starts
//   npm test refresh attacks/        on SQLite, the files whose path has one of these words in it
//   npm run test:postgres refresh    the same on PostgreSQL, on the server at TEST_DATABASE_URL if that is set
// Arguments after `--` are passed to the files. Prints TAP, or a summary if the output is a terminal.
//
// tap's own runner adds three loaders to every process: for TypeScript, which esbuild has compiled already, for mocks,
// which no test uses, and for coverage, which V8 counts (scripts/coverage.mjs). The loaders took as long as an average
// file.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** The first line of a file that runs on one engine only. */
const ONE_ENGINE = /^\/\/ On (SQLite|PostgreSQL) alone: (.+)\.\n/
const ENGINES = { SQLite: 'sqlite', PostgreSQL: 'postgres' }
const BUILT = 'dist-test/test'
const APART = /^\/\/ In a process of its own: .+\.$/m
const LIMIT = /^t\.setTimeout\(([\d_]+)\)/m
/** A process takes seconds to start. With more files, processors would idle at the end, and a crash would lose more. */
const FILES_A_PROCESS = 8
const TOGETHER = `${BUILT}/support/together.js`
/** The time limit for the start of a process. The process then reports the limit of each of its files. */
const STARTING_MS = 30_000
const SLOWEST_NAMED = 10
/** An in-memory file system on Linux, where fsync costs nothing. Used if it has enough space for a run. */
const MEMORY = '/dev/shm'
const ROOM = 4 * 2 ** 30
/** The default limit of a file: a few seconds of work, on a busy machine. */
const TIMEOUT_S = 90

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const [own, passedOn] = split(process.argv.slice(2), '--')
const { values, positionals: words } = parseArgs({
  args: own,
  allowPositionals: true,
  options: {
    engine: { type: 'string', multiple: true },
    jobs: { type: 'string', default: String(availableParallelism() + 1) },
    timeout: { type: 'string', default: String(TIMEOUT_S) },
    kind: { type: 'string', default: 'test' },
    // A nested run must not build: that would delete the files which the outer run executes.
    built: { type: 'boolean', default: false },
  },
})
const engines = values.engine ?? (words.length > 0 ? ['sqlite'] : ['sqlite', 'postgres'])
const steps = [['scripts/install.mjs'], ['esbuild.config.mjs', 'esbuild.test.mjs']]
for (const scripts of values.built ? [] : steps) {
  const codes = await Promise.all(scripts.map(runScript))
  if (codes.some((code) => code !== 0)) process.exit(1)
}
const files = words.length === 0 ? builtFiles() : [...new Set(words.flatMap(filesNamed))]

const failed = []
const times = []

// tap's library starts every process with a loader that counts coverage with V8's profiler. The loader takes a quarter
// of the CPU and would reset the counters of NODE_V8_COVERAGE (scripts/coverage.mjs).
const { ProcessInfo } = await import('../test/node_modules/@tapjs/processinfo/dist/esm/index.js')
Object.defineProperty(ProcessInfo, 'spawn', { value: spawn })
if (process.env.TMPDIR === undefined && hasRoom(MEMORY)) process.env.TMPDIR = MEMORY
const { tap } = await import('../test/node_modules/@tapjs/core/dist/esm/index.js')
const t = tap()
// Each file has a limit; the run has none.
t.setTimeout(0)
t.register()
if (process.stdout.isTTY) {
  const { report } = await import('../test/node_modules/@tapjs/reporter/dist/esm/index.js')
  report('terse', t, new Map())
} else t.pipe(process.stdout)
t.jobs = Number(values.jobs)
passSignalsOn()
await run()
await t.end()
nameTheSlowest()
nameWhatFailed()
// Explicit, because the package that starts PostgreSQL exits with 0 and ignores process.exitCode.
process.exit(t.passing() ? 0 : 1)

/** Resolves to the exit code, or to null when a signal ended the script. */
function runScript(script) {
  const started = spawn(process.execPath, [script, 'test'], { stdio: 'inherit' })
  return new Promise((resolve) => started.on('close', resolve))
}

/** Resolves when all files have ended. Processes that may take the longest begin first. */
async function run() {
  const server = engines.includes('postgres') ? await startPostgres() : undefined
  const processes = engines.flatMap((engine) => {
    const groups = grouped(files.filter((file) => isFor(engine, file)))
    return groups.map((group) => ({ group, engine, limit: group.reduce((sum, file) => sum + limitOf(file), 0) }))
  })
  try {
    await Promise.all(processes.sort((one, other) => other.limit - one.limit).map(runProcess))
  } finally {
    await server?.remove()
  }
}

/** Starts a server, unless TEST_DATABASE_URL names a server. */
async function startPostgres() {
  if (process.env.TEST_DATABASE_URL !== undefined) return undefined
  const { PostgresServer } = await import('../dist-test/test/support/postgres-server.js')
  const server = await PostgresServer.create()
  process.env.TEST_DATABASE_URL = server.url
  return server
}

async function runProcess({ group, engine }) {
  const env = { ...process.env, TAP: '1', TAP_TIMEOUT: values.timeout, TEST_DATABASE: engine }
  const timeout = Number(values.timeout) * 1_000 + STARTING_MS
  const name = group.length === 1 ? sourceOf(group[0]) : `${dirname(sourceOf(group[0]))}: ${group.length} files`
  const running = t.spawn(
    process.execPath,
    ['--enable-source-maps', TOGETHER, ...group, '--', ...passedOn],
    { env, timeout, buffered: t.jobs > 1, at: null, stack: '' },
    `${name} on ${engine}`,
  )
  const passed = new Set()
  running.subtest.parser.on('assert', ({ ok, name, time }) => {
    if (ok) passed.add(name)
    times.push({ ms: time, name, engine })
  })
  if ((await running).ok) return
  // A file that had not started when the process ended has failed too.
  const failures = group.filter((file) => !passed.has(sourceOf(file)))
  for (const file of failures.length > 0 ? failures : group) failed.push({ file, engine })
}

/** The files of each process: several files of one folder, or one file that needs its own process. */
function grouped(files) {
  const groups = []
  const open = new Map()
  for (const file of files) {
    const folder = dirname(file)
    const isApart = APART.test(headOf(file))
    const group = isApart ? undefined : open.get(folder)
    if (group && group.length < FILES_A_PROCESS) group.push(file)
    else {
      groups.push([file])
      if (!isApart) open.set(folder, groups.at(-1))
    }
  }
  return groups
}

/** Prints the slowest files. */
function nameTheSlowest() {
  const slowest = times.sort((one, other) => other.ms - one.ms).slice(0, SLOWEST_NAMED)
  const named = slowest.map(({ ms, name, engine }) => `${Math.round(ms / 1_000)} s ${name} on ${engine}`)
  process.stdout.write(`# slowest: ${named.join(', ')}\n`)
}

/** Prints last how to run the failed files again: their output is far up in a log of 20,000 lines. */
function nameWhatFailed() {
  for (const { file, engine } of failed) {
    process.stdout.write(`# failed: --kind=${values.kind} --engine=${engine} ${sourceOf(file)}\n`)
  }
}

function isFor(engine, file) {
  const [, only, reason] = ONE_ENGINE.exec(headOf(file)) ?? []
  if (only === undefined || ENGINES[only] === engine) return true
  t.comment(`${sourceOf(file)} runs on ${only} alone: ${reason}`)
  return false
}

/** The files with this name, or else the files with the word in their path. */
function filesNamed(word) {
  const name = word.replace(/^(dist-test\/)?test\//, '').replace(/\.\w+\.[jt]s$/, '')
  const all = builtFiles()
  const named = all.filter((file) => withoutEnding(file).endsWith(`/${name}`))
  const found = named.length > 0 ? named : all.filter((file) => file.slice(BUILT.length).includes(name))
  if (found.length > 0) return found
  process.stderr.write(`no test has ${word} in its path\n`)
  process.exit(1)
}

function hasRoom(folder) {
  if (!existsSync(folder)) return false
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= ROOM
}

function builtFiles(folder = BUILT) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return builtFiles(path)
    return path.endsWith(`.${values.kind}.js`) ? [path] : []
  })
}

/** The time limit that the file sets, in ms. */
function limitOf(file) {
  const [, ms] = LIMIT.exec(readFileSync(sourceOf(file), 'utf8')) ?? []
  return ms === undefined ? Number(values.timeout) * 1_000 : Number(ms.replaceAll('_', ''))
}

/** The comments of a file before its imports. */
function headOf(file) {
  return readFileSync(sourceOf(file), 'utf8').split('\nimport ')[0]
}

function withoutEnding(file) {
  return file.slice(0, -`.${values.kind}.js`.length)
}

function sourceOf(file) {
  return file.replace('dist-test/', '').replace(/\.js$/, '.ts')
}

/** A terminal signals the whole process group; other tools signal this process only, so it passes the signal on. */
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
