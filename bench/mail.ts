import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config/config.js'
import { startLatchkey } from './servers.js'

// `npm run bench:mail`: can an attacker recognise addresses with an account by the response time? Sends requests for a
// password reset for 300 addresses with and 300 without an account, alternating, each from a different network, while
// the mail server hangs. Fails if the medians differ by 5 ms. Then measures what mail adds to the start and to the
// memory at rest. With the address of an empty PostgreSQL database as its argument, the requests use that database.

const [, , POSTGRES] = process.argv
const ADDRESSES = 300
const TOLERANCE_MS = 5
const STARTS = 5
const SETTLED_MS = 3_000
const MAIL_FROM = 'Example <no-reply@example.com>'
const SECRET_KEY = 'k0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-of-the-bench'

// A mail server that accepts connections and never sends a byte.
const silent = createServer(() => {})
await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
const MAIL_URL = `smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`
const folder = await mkdtemp(join(tmpdir(), 'latchkey-mail-'))
try {
  process.exitCode = (await isTold()) ? 1 : 0
  await cost('without mail', {})
  await cost('with mail', { MAIL_URL, MAIL_FROM })
} finally {
  await rm(folder, { recursive: true })
  silent.close()
}
process.exit()

async function isTold(): Promise<boolean> {
  const config = loadConfig({
    DATABASE_URL: POSTGRES ?? `sqlite:${join(folder, 'timing.db')}`,
    ...{ SECRET_KEY, PUBLIC_URL: 'https://id.example.com', PORT: '0', LOG_LEVEL: 'silent', RATE_LIMIT: 'off' },
    ...{ MAIL_URL, MAIL_FROM, MAX_EVENT_LOOP_DELAY: 'off' },
  })
  const app = await buildApp(config)
  // The service sends mail once it listens: five deliveries hang at once.
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { db, tables } = app.database
  const now = Date.now()
  const known = Array.from({ length: ADDRESSES }, (_, n) => `known-${n}@example.org`)
  await db
    .insert(tables.users)
    .values(known.map((email) => ({ email, emailKey: email, emailVerifiedAt: now, createdAt: now, updatedAt: now })))
  const ask = async (email: string, remoteAddress: string): Promise<number> => {
    const startedAt = performance.now()
    const url = '/v1/password-reset/request'
    const { statusCode } = await app.inject({ method: 'POST', url, payload: { email }, remoteAddress })
    if (statusCode !== 202) throw new Error(`${email}: ${statusCode}`)
    return performance.now() - startedAt
  }
  for (let n = 0; n < 20; n += 1) await ask(`warm-${n}@example.net`, `2001:db8:ffff:${n}::1`)
  const times = { known: [] as number[], unknown: [] as number[] }
  for (const [n, email] of known.entries()) {
    const turn = [
      ['known', email],
      ['unknown', `unknown-${n}@example.net`],
    ] as const
    // Either kind goes first equally often.
    for (const [kind, address] of n % 2 ? turn : turn.toReversed()) {
      times[kind].push(await ask(address, `2001:db8:${n.toString(16)}:${kind === 'known' ? 1 : 2}00::1`))
    }
  }
  await app.close()
  const difference = Math.abs(quantile(times.known, 0.5) - quantile(times.unknown, 0.5))
  console.log(
    `requests for a new password on ${POSTGRES ? 'PostgreSQL' : 'SQLite'}, ${ADDRESSES} addresses of either kind:`,
  )
  for (const [kind, all] of Object.entries(times)) {
    console.log(`  ${kind.padEnd(8)} p50 ${quantile(all, 0.5).toFixed(2)} ms, p99 ${quantile(all, 0.99).toFixed(2)} ms`)
  }
  console.log(`  the medians are ${difference.toFixed(2)} ms apart; ${TOLERANCE_MS} ms would be too many`)
  return difference >= TOLERANCE_MS
}

/** Medians of several starts: milliseconds until the service listens, and its memory three seconds later. */
async function cost(name: string, settings: Record<string, string>): Promise<void> {
  const [starts, memories]: [number[], number[]] = [[], []]
  for (let n = 0; n < STARTS; n += 1) {
    const startedAt = performance.now()
    const server = await startLatchkey({
      ...{ DATABASE_URL: `sqlite:${join(folder, 'start.db')}`, SECRET_KEY, PUBLIC_URL: 'https://id.example.com' },
      ...settings,
    })
    starts.push(performance.now() - startedAt)
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS))
    memories.push(server.memory() ?? Number.NaN)
    await server.stop()
  }
  console.log(
    `${name.padEnd(13)} ready after ${quantile(starts, 0.5).toFixed(0)} ms, ${quantile(memories, 0.5).toFixed(1)} MiB at rest`,
  )
}

function quantile(values: number[], share: number): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length * share)] ?? Number.NaN
}
