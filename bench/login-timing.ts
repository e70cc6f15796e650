import { pbkdf2Sync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { eq } from 'drizzle-orm'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config/config.js'

// `npm run bench:login-timing`: can an attacker recognise existing accounts by the response time? Sends each kind of
// failed log-in in turn, sequentially. Fails if a median differs from the unknown user's by more than a tenth.

const ROUNDS = Number(process.argv[2] ?? 100)
const TOLERANCE = 0.1
const COST = 12
const IMPORTED_COST = 10
const WERKZEUG_ITERATIONS = 100_000
const PASSWORD = 'three quiet lanterns'
const KINDS = ['unknown', 'wrong', 'disabled', 'imported', 'werkzeug'] as const

const folder = await mkdtemp(join(tmpdir(), 'latchkey-timing-'))
const app = await buildApp(
  loadConfig({
    DATABASE_URL: `sqlite:${join(folder, 'timing.db')}`,
    BCRYPT_COST: String(COST),
    LOG_LEVEL: 'silent',
    LOGIN_THROTTLE: 'off',
    RATE_LIMIT: 'off',
  }),
)
try {
  await app.ready()
  const { db, tables } = app.database
  for (const username of ['wrong', 'disabled', 'imported', 'werkzeug']) {
    await app.inject({ method: 'POST', url: '/v1/register', payload: { username, password: PASSWORD } })
  }
  await db.update(tables.users).set({ isActive: false }).where(eq(tables.users.username, 'disabled'))
  await db
    .update(tables.users)
    .set({ passwordHash: await bcryptHash(PASSWORD, IMPORTED_COST) })
    .where(eq(tables.users.username, 'imported'))

  const digest = pbkdf2Sync(PASSWORD, 'salt', WERKZEUG_ITERATIONS, 32, 'sha256').toString('hex')
  await db
    .update(tables.users)
    .set({ passwordHash: `pbkdf2:sha256:${WERKZEUG_ITERATIONS}$salt$${digest}` })
    .where(eq(tables.users.username, 'werkzeug'))

  const times: Record<(typeof KINDS)[number], number[]> = {
    unknown: [],
    wrong: [],
    disabled: [],
    imported: [],
    werkzeug: [],
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of KINDS) times[kind].push(await timeOfLogin(kind))
  }

  const reference = median(times.unknown)
  let isTold = false
  console.log(`failed log-ins, cost ${COST}, ${ROUNDS} of each, medians:`)
  for (const kind of KINDS) {
    const ratio = median(times[kind]) / reference
    isTold ||= Math.abs(ratio - 1) > TOLERANCE
    console.log(`  ${kind.padEnd(9)} ${median(times[kind]).toFixed(1).padStart(7)} ms  ${ratio.toFixed(3)}`)
  }
  console.log(isTold ? 'They can be told apart.' : 'They cannot be told apart.')
  process.exitCode = isTold ? 1 : 0
} finally {
  await app.close()
  await rm(folder, { recursive: true })
}

async function timeOfLogin(username: string): Promise<number> {
  const password = username === 'disabled' ? PASSWORD : 'not the password'
  const start = performance.now()
  const response = await app.inject({ method: 'POST', url: '/v1/login', payload: { username, password } })
  if (response.statusCode !== 401) throw new Error(`${username}: ${response.statusCode} ${response.payload}`)
  return performance.now() - start
}

function median(values: number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
}
