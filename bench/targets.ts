import { OURS, OURS_ON_POSTGRES } from './ours.js'
import type { Results } from './results.js'
import type { Row } from './rows.js'

/** The tutorials, which are published to be copied. */
const TUTORIALS = ['FastAPI', 'Flask']
const PEERS = ['Better Auth', 'Express 5', 'Hono', ...TUTORIALS]
const READS = ['verify', 'me', 'list', 'notModified'] as const satisfies Row[]
const ON_POSTGRES = ['me', 'list', 'create', 'refresh'] as const satisfies Row[]
/** A log-in is nearly all hashing, with the same hash everywhere, so a smaller difference counts as equal. */
const NOISE = 0.05

export interface Target {
  isMet: boolean
  text: string
}

/** The targets and the measured figures. Rows that this run left out are not listed. */
export function targets({ rates, flood, sizes, coldStarts, memoryAtRest }: Results): Target[] {
  const rate = (row: Row, name = OURS) => rates[row]?.[name] ?? Number.NaN
  const ratio = (row: Row, other: string) => rate(row) / rate(row, other)
  const quiet = flood.find(({ name }) => name === OURS)
  const cold = coldStarts.find(({ name }) => name === 'Latchkey')?.ms ?? Number.NaN
  const perSize = sizes.filter(({ engine }) => engine === 'SQLite').map(({ perSecond }) => perSecond)
  const logging = READS.map((row) => rate(row, 'Latchkey, logging') / rate(row))
  const isBehind = (row: Row, peer: string, ours: string) => rate(row, ours) < (1 - NOISE) * (rates[row]?.[peer] ?? 0)
  const behind = (Object.keys(rates) as Row[]).flatMap((row) =>
    [...PEERS.map((peer) => [peer, OURS] as const), ['Better Auth, PostgreSQL', OURS_ON_POSTGRES] as const]
      .filter(([peer, ours]) => isBehind(row, peer, ours))
      .map(([peer]) => `${peer} at ${row}`),
  )
  const ofTutorials = Object.entries(rates).flatMap(([row, byName]) =>
    TUTORIALS.filter((name) => row !== 'login' && name in byName).map((name) => ratio(row as Row, name)),
  )
  return [
    atLeast(0.8, ratio('verify', 'bare Fastify'), 'verify, of bare Fastify with the same bytes'),
    atLeast(0.7, ratio('me', 'bare Fastify'), 'me, of bare Fastify with the same bytes'),
    atLeast(0.9, ratio('list', 'raw better-sqlite3'), 'the list, of the raw handler that returns objects'),
    atLeast(0.3, ratio('list', 'bare Fastify'), 'the list, of bare Fastify with the same bytes'),
    atLeast(0.6, ratio('notModified', 'bare Fastify'), '304, of bare Fastify with the same bytes'),
    atLeast(0.8, ratio('create', 'the work alone'), 'a durable POST, of commits one after the other'),
    atLeast(5_000, rate('refresh'), 'refreshes a second'),
    ...ON_POSTGRES.map((row) =>
      atLeast(0.6, rate(row, OURS_ON_POSTGRES) / rate(row), `${row} on PostgreSQL, of SQLite`),
    ),
    atLeast(0.95, ratio('login', 'the work alone'), 'log-ins, of the hashes alone on the same cores'),
    atLeast(10, rate('loginArgon2id') / rate('login'), 'log-ins with argon2id, of those with bcrypt'),
    atMost(
      3,
      (quiet?.floodedMs ?? Number.NaN) / (quiet?.quietMs ?? Number.NaN),
      'list p99 in a flood of log-ins, of quiet',
    ),
    atLeast(0.7, Math.min(...logging), 'logging on, of logging off, in the slowest of the reads'),
    atMost(400, cold, 'milliseconds of a cold start'),
    atMost(110, memoryAtRest[OURS] ?? Number.NaN, 'MiB at rest'),
    atLeast(0.9, Math.min(...perSize) / Math.max(...perSize), 'the list at the worst size, of the best size'),
    atLeast(5, Math.min(...ofTutorials), 'of the tutorials in Python, in the nearest row but the log-in'),
    { value: 0, isMet: behind.length === 0, text: `ahead of every peer in every row ${behind.join(', ')}`.trim() },
  ].filter(({ value }) => Number.isFinite(value))
}

function atLeast(wanted: number, value: number, what: string) {
  return { value, isMet: value >= wanted, text: `${shown(value)} (at least ${shown(wanted)}) ${what}` }
}

function atMost(wanted: number, value: number, what: string) {
  return { value, isMet: value <= wanted, text: `${shown(value)} (at most ${shown(wanted)}) ${what}` }
}

function shown(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString('en') : value.toFixed(2)
}
