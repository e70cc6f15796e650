import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/package.js'
import { openContestants } from './contestants.js'
import { describeMachine } from './machine.js'
import { measureColdStarts, measureFlood, measureRows, measureSizes } from './measure.js'
import { findTutorials } from './python.js'
import { report } from './report.js'
import { ROWS, type Row } from './rows.js'

const HELP = `npm run bench -- [options]

  --minutes <n>   how long the measuring takes, about (12)
  --rounds <n>    how often each is measured; the median counts (3)
  --rows <names>  only these rows, separated by commas: ${Object.keys(ROWS).join(', ')}
  --only <names>  only these contestants besides Latchkey
  --large         a list out of 10 million rows too, on SQLite and PostgreSQL
  --dry           print, and leave bench/RESULTS.md as it is
`
/** The options of a run. */
const OVERHEAD_S = 330

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '12' },
    rounds: { type: 'string', default: '3' },
    rows: { type: 'string', default: Object.keys(ROWS).join(',') },
    only: { type: 'string' },
    large: { type: 'boolean', default: false },
    dry: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(HELP)
else await bench()

async function bench(): Promise<void> {
  installPeers()
  const wanted = (name: string) => values.only === undefined || values.only.split(',').includes(name)
  const tutorials = findTutorials(wanted)
  const machine = describeMachine(tutorials)
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'))
  const contestants = await openContestants(folder, wanted, tutorials)
  try {
    const rows = values.rows.split(',').filter((name): name is Row => name in ROWS)
    const rounds = Number(values.rounds)
    // Dirty pages left by the seeding would be written back during the measurements.
    spawnSync('sync')
    const slices = contestants.count(rows) * rounds
    const seconds = Math.max(1, Math.floor((Number(values.minutes) * 60 - OVERHEAD_S) / slices))
    const plan = { rows, rounds, seconds, folder, failures: [] }
    const memoryAtRest = contestants.memory()
    const rates = await measureRows(contestants, plan)
    const memoryUnderLoad = contestants.memory()
    const flood = rows.includes('login') ? await measureFlood(contestants, plan) : []
    const isFull = values.rows.split(',').length === Object.keys(ROWS).length
    const sizes = isFull ? await measureSizes(plan, values.large) : []
    const coldStarts = isFull ? await measureColdStarts(contestants, folder) : []
    const text = report({ machine, plan, rates, flood, sizes, coldStarts, memoryAtRest, memoryUnderLoad })
    process.stdout.write(`\n${text}`)
    if (!values.dry) writeFileSync(join(packageRoot, 'bench', 'RESULTS.md'), text)
  } finally {
    await contestants.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Packages that only the bench needs. */
function installPeers(): void {
  const { status } = spawnSync(process.execPath, [join(packageRoot, 'scripts/install.mjs'), 'bench'], {
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('npm ci of the peers failed')
}
