// Runs the tests on SQLite and measures their coverage of the service, file by file.
//   npm run coverage              all tests; fails below the floor in test/coverage/floor.json, and raises that floor
//   npm run coverage refresh      the test files with this word in their path; prints figures only
// dist-test/coverage/index.html shows every line. V8 counts, and monocart-coverage-reports maps the counts to the
// TypeScript sources with the source map of each compiled file. Code that tests run from dist/ is left out (BUILT),
// because the bundle has no source map.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FLOOR = 'test/coverage/floor.json'
const PAGES = 'dist-test/coverage'
const MEASURES = ['statements', 'branches', 'functions']
const SERVICE = /\/dist-test\/(src|plugins|routes)\//
/** The command line and the thread: tests start most commands from the bundle. */
const BUILT = /\/dist-test\/src\/(cli|commands\/[\w-]+|passwords\/thread)\.js$/

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const words = process.argv.slice(2)
if (spawnSync(process.execPath, ['scripts/install.mjs', 'test/coverage'], { stdio: 'inherit' }).status !== 0)
  process.exit(1)
const counts = mkdtempSync(join(tmpdir(), 'latchkey-coverage-'))
try {
  const { status } = spawnSync(process.execPath, ['scripts/test.mjs', '--engine=sqlite', ...words], {
    stdio: 'inherit',
    env: { ...process.env, NODE_V8_COVERAGE: counts },
  })
  const found = await report(counts)
  process.stdout.write(`${MEASURES.map((measure) => `${measure} ${found[measure]} %`).join(', ')}\n`)
  process.exitCode = status === 0 && (words.length > 0 || holds(found)) ? 0 : 1
} finally {
  rmSync(counts, { recursive: true, force: true })
}

/** Writes the pages and resolves to the percentages. */
async function report(dataDir) {
  const { CoverageReport } = await import('../test/coverage/node_modules/monocart-coverage-reports/lib/index.mjs')
  const coverage = new CoverageReport({
    name: 'Latchkey',
    outputDir: PAGES,
    reports: ['v8', 'json-summary'],
    logging: 'error',
    dataDir,
    entryFilter: ({ url }) => SERVICE.test(url) && !BUILT.test(url),
  })
  const { summary } = await coverage.generate()
  return Object.fromEntries(MEASURES.map((measure) => [measure, summary[measure].pct]))
}

/** Whether no figure is below its floor. A figure above it becomes the floor, rounded down to a tenth of a per cent. */
function holds(found) {
  const floor = JSON.parse(readFileSync(FLOOR, 'utf8'))
  for (const measure of MEASURES.filter((measure) => found[measure] < floor[measure])) {
    process.stderr.write(`${measure}: ${found[measure]} % is below the floor of ${floor[measure]} %\n`)
  }
  const raised = MEASURES.map((measure) => [measure, Math.max(floor[measure], Math.floor(found[measure] * 10) / 10)])
  writeFileSync(FLOOR, `${JSON.stringify(Object.fromEntries(raised), null, 2)}\n`)
  return MEASURES.every((measure) => found[measure] >= floor[measure])
}
