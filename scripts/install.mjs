// Installs the packages of a folder with its own lock file, unless the locked versions are installed already.
//   node scripts/install.mjs test            tap, and packages only for tests, generators and linters
//   node scripts/install.mjs test/coverage   the coverage tool
//   node scripts/install.mjs bench           the contestants of the benchmark
//   node scripts/install.mjs sqlite-node20   the SQLite driver for Node 20; the root has the driver for later versions
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The Node-API of Node 22.14, which better-sqlite3 13 needs. */
const NAPI_OF_THE_DRIVER = 10
const OPTIONS = ['--no-audit', '--no-fund', '--loglevel=error']
const DRIVER = 'sqlite-node20'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 20)) {
  console.error(`latchkey: this is Node ${process.versions.node}, and Latchkey needs Node 20.20 or newer`)
  process.exit(1)
}

const [folder = ''] = process.argv.slice(2)
const isNeeded = folder !== DRIVER || Number(process.versions.napi) < NAPI_OF_THE_DRIVER
if (isNeeded && !install(new URL(`../${folder}/`, import.meta.url))) {
  // Without a C++ compiler the driver cannot be installed. PostgreSQL works without the driver, and a start on SQLite
  // explains what to do.
  process.exitCode = process.env.npm_lifecycle_event === 'postinstall' ? 0 : 1
}

/** Runs `npm ci` in the folder; false when that fails. */
function install(folder) {
  // Native code compiled for one version of Node does not run on another.
  const wanted = `${process.versions.modules}\n${readFileSync(new URL('package-lock.json', folder), 'utf8')}`
  const installed = new URL('node_modules/.installed', folder)
  if (read(installed) === wanted) return true
  // npm names itself to the scripts that it runs; on Windows the command `npm` is a batch file, which needs a shell.
  const npm = process.env.npm_execpath
  const [command, ...args] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm']
  const shell = command === 'npm' && process.platform === 'win32'
  const { status } = spawnSync(command, [...args, 'ci', ...OPTIONS], {
    cwd: fileURLToPath(folder),
    // By default node-gyp compiles one file at a time.
    env: { JOBS: 'max', ...process.env },
    stdio: 'inherit',
    shell,
  })
  if (status === 0) writeFileSync(installed, wanted)
  return status === 0
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
