import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config/config.js'
import { packageRoot } from '../src/package.js'
import { ORIGIN, SoftwarePasskey } from '../test/factors/software-passkey.js'

// `npm run bench:passkeys`: measures the processor time of a log-in with a passkey and of one bcrypt hash, and what the
// passkey library adds to a start and to the memory at rest. Because of that cost, the library is imported with the
// first passkey.

const ROUNDS = 200
const HASHES = 5
const COST = 12
const STARTS = 5
const SETTLING_MS = 2_000
const PASSWORD = 'three quiet lanterns'

const folder = await mkdtemp(join(tmpdir(), 'latchkey-passkeys-'))
try {
  const logIn = await cpuOfLogIn()
  const hash = await cpuOf(HASHES, () => bcryptHash(PASSWORD, COST))
  console.log(
    `CPU of a log-in with a passkey: ${logIn.toFixed(2)} ms; of a bcrypt hash, cost ${COST}: ${hash.toFixed(0)} ms`,
  )
  for (const [name, args] of [
    ['as it is shipped', []],
    ['with the library at the start', ['--import', '@simplewebauthn/server']],
  ] as const) {
    const starts: Start[] = []
    for (let n = 0; n < STARTS; n += 1) starts.push(await startOf(args))
    const [ms, mib] = (['ms', 'mib'] as const).map((key) => median(starts.map((start) => start[key])).toFixed(0))
    console.log(`${name}: first answer after ${ms} ms, ${mib} MiB at rest`)
  }
} finally {
  await rm(folder, { recursive: true })
}

async function cpuOfLogIn(): Promise<number> {
  const settings = { PUBLIC_URL: ORIGIN, LOG_LEVEL: 'silent', RATE_LIMIT: 'off' }
  const app = await buildApp(loadConfig({ ...settings, DATABASE_URL: `sqlite:${join(folder, 'log-ins.db')}` }))
  const post = async (url: string, payload: object = {}, token = '') => {
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` }
    return (await app.inject({ method: 'POST', url, payload, headers })).json()
  }
  const { access_token: token } = await post('/v1/register', { username: 'mina', password: PASSWORD })
  const passkey = new SoftwarePasskey()
  const created = passkey.create(await post('/v1/me/passkeys/options', {}, token))
  await post('/v1/me/passkeys', { name: 'laptop', passkey: created }, token)
  // Signed beforehand: the work of the device must not count.
  const answers: object[] = []
  for (let n = 0; n <= ROUNDS; n += 1) answers.push(passkey.get(await post('/v1/login/passkey/options')))
  const logIn = async () => {
    const answer = await post('/v1/login/passkey', { passkey: answers.pop() })
    if (answer.access_token === undefined) throw new Error(JSON.stringify(answer))
  }
  await logIn()
  const ms = await cpuOf(ROUNDS, logIn)
  await app.close()
  return ms
}

/** The processor time of one run in all threads, in milliseconds. */
async function cpuOf(rounds: number, work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  for (let n = 0; n < rounds; n += 1) await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / rounds
}

interface Start {
  ms: number
  mib: number
}

async function startOf(args: readonly string[]): Promise<Start> {
  const env = {
    PATH: process.env.PATH,
    PORT: '0',
    LOG_LEVEL: 'warn',
    DATABASE_URL: `sqlite:${join(folder, 'starts.db')}`,
  }
  const startedAt = performance.now()
  const cli = join(packageRoot, 'dist/src/cli.js')
  const child = spawn(process.execPath, [...args, cli, 'serve'], { cwd: packageRoot, env })
  let said = ''
  for await (const text of child.stderr) {
    said += text
    if (/listens on/.test(said)) break
  }
  const ms = performance.now() - startedAt
  await sleep(SETTLING_MS)
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  child.kill()
  await once(child, 'exit')
  return { ms, mib: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024 }
}

function median(values: number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
}
