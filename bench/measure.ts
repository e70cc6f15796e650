import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { packageRoot } from '../src/package.js'
import { PostgresServer } from '../test/support/postgres-server.js'
import { type Contestants, POSTGRES } from './contestants.js'
import { type Load, load, type Outcome } from './load.js'
import { loadOf, type Row } from './rows.js'
import { seed } from './seed.js'
import { type Server, startLatchkey, startPeer } from './servers.js'

const LOGIN_CONNECTIONS = 8
/** More than the hash queue takes: some are refused. */
const FLOOD_CONNECTIONS = 48
const COLD_STARTS = 5
const SIZES = [1_000, 100_000, 1_000_000]
const LARGE = 10_000_000
/** A hash takes a fifth of a second: a slice must hold enough of them. */
const LOGIN_SECONDS = 4

export interface Plan {
  rows: Row[]
  rounds: number
  seconds: number
  folder: string
  /** What was answered with an error, in words; the rates leave it out. */
  failures: string[]
}

/** Median rates by row and contestant, with those of the limits. */
export type Rates = Partial<Record<Row | 'limits', Record<string, number>>>

const run = promisify(execFile)

/** Every row by everybody, in turn, round after round; the first, short round only warms up. */
export async function measureRows(contestants: Contestants, plan: Plan): Promise<Rates> {
  const hello: Load = { requests: [{ method: 'GET', path: '/hello' }] }
  const limits = {
    'node:http alone': () => ask(contestants.bareNode, hello, plan),
    'Fastify, hello world': () => ask(contestants.fastifyHello, hello, plan),
  }
  const rates: Rates = { limits: await medians(limits, plan.rounds) }
  for (const row of plan.rows) {
    const tries: Tries = {}
    for (const { name, server, servers, load: loadFor } of contestants.all) {
      tries[name] = async (round) => {
        const what = loadFor(row, round)
        return what && ask(servers?.[row] ?? server, what, plan, row, name)
      }
    }
    if (row === 'create') tries['the work alone'] = () => alone('commits', plan.seconds, contestants.aloneFile)
    if (row === 'login') tries['the work alone'] = () => alone('hashes', LOGIN_SECONDS, String(availableParallelism()))
    rates[row] = await medians(tries, plan.rounds)
    console.error(row, rates[row])
  }
  return rates
}

/** Milliseconds at the 99th percentile, of lists while nobody logs in and while everybody does. */
export interface Flood {
  name: string
  quietMs: number
  floodedMs: number
}

export async function measureFlood(contestants: Contestants, plan: Plan): Promise<Flood[]> {
  const results: Flood[] = []
  for (const { name, server, load: loadFor } of contestants.all) {
    const list = loadFor('list', 0)
    const login = loadFor('login', 0)
    if (list === undefined || login === undefined || name.includes('logging')) continue
    const listing = () => load(server.port, list, { seconds: LOGIN_SECONDS }, plan.folder)
    const quiet: number[] = []
    const flooded: number[] = []
    for (let round = 0; round < 2; round += 1) {
      quiet.push((await listing()).p99)
      const options = { seconds: LOGIN_SECONDS + 2, connections: FLOOD_CONNECTIONS }
      const flood = load(server.port, login, options, plan.folder)
      await sleep(1_000)
      flooded.push((await listing()).p99)
      await flood
      await settle(server, login)
    }
    results.push({ name, quietMs: median(quiet), floodedMs: median(flooded) })
    console.error(results.at(-1))
  }
  return results
}

/** Requests a second for a list of 20 rows, by how many rows there are. */
export interface Size {
  engine: 'SQLite' | 'PostgreSQL'
  rows: number
  perSecond: number
}

/** The list out of these many rows on SQLite; with `large` out of ten million on PostgreSQL too. */
export async function measureSizes(plan: Plan, large: boolean): Promise<Size[]> {
  const sizes: Omit<Size, 'perSecond'>[] = (large ? [...SIZES, LARGE] : SIZES).map((rows) => ({
    engine: 'SQLite',
    rows,
  }))
  if (large) sizes.push({ engine: 'PostgreSQL', rows: LARGE })
  const servers: Server[] = []
  const postgres = large ? await PostgresServer.create(POSTGRES) : undefined
  try {
    const tries: Tries = {}
    for (const { engine, rows } of sizes) {
      const url = engine === 'PostgreSQL' ? postgres?.url : `sqlite:${join(plan.folder, `size-${rows}.db`)}`
      const seeded = await seed(url ?? '', rows)
      const server = await startLatchkey({ ...seeded.settings, LOG_LEVEL: 'silent' })
      servers.push(server)
      const list = loadOf('list', seeded.people, seeded, 0)
      tries[engine + rows] = () => ask(server, list, plan)
    }
    const results = await medians(tries, Math.max(plan.rounds, 5))
    return sizes.map((size) => ({ ...size, perSecond: results[size.engine + size.rows] ?? Number.NaN }))
  } finally {
    for (const server of servers) await server.stop()
    await postgres?.remove()
  }
}

/** Milliseconds from the start of the process to its first answer. */
export interface ColdStart {
  name: string
  ms: number
}

export async function measureColdStarts(contestants: Contestants, folder: string): Promise<ColdStart[]> {
  const { settings } = await seed(`sqlite:${join(folder, 'cold.db')}`, 1_000)
  const file = join(folder, 'cold.db')
  const starts: Record<string, () => Promise<Server>> = {
    Latchkey: () => startLatchkey(settings),
  }
  if (contestants.find('bare Fastify')) {
    starts['bare Fastify'] = () => startPeer('bare', join(folder, 'answers.json'))
  }
  if (contestants.find('Express 5')) starts['Express 5'] = () => startPeer('express', file)
  if (contestants.find('Hono')) starts.Hono = () => startPeer('hono', file)
  if (contestants.find('Better Auth'))
    starts['Better Auth'] = () => startPeer('better-auth', join(folder, 'cold-ba.db'))
  const results = await medians(
    Object.fromEntries(Object.entries(starts).map(([name, start]) => [name, () => timeOf(start, folder)])),
    COLD_STARTS,
  )
  return Object.entries(results).map(([name, ms]) => ({ name, ms }))
}

async function timeOf(start: () => Promise<Server>, folder: string): Promise<number> {
  await rm(join(folder, 'cold-ba.db'), { force: true })
  const startedAt = performance.now()
  const server = await start()
  await fetch(`http://127.0.0.1:${server.port}/livez`)
  const ms = performance.now() - startedAt
  await server.stop()
  return ms
}

async function ask(server: Server, what: Load, plan: Plan, row?: Row, name?: string): Promise<number> {
  const isLogin = row === 'login' || row === 'loginArgon2id'
  const seconds = isLogin ? LOGIN_SECONDS : plan.seconds
  const outcome: Outcome = await load(
    server.port,
    what,
    { seconds, ...(isLogin && { connections: LOGIN_CONNECTIONS }) },
    plan.folder,
  )
  if (isLogin) await settle(server, what)
  if (outcome.failed > 0) plan.failures.push(`${name}, ${row}: ${outcome.failed} requests`)
  return outcome.perSecond
}

/** Waits until a log-in is answered: those that the load generator did not wait for would be hashed in another's turn. */
async function settle({ port }: Server, { requests: [login] }: Load): Promise<void> {
  if (login === undefined) return
  const { path, ...options } = login
  await (await fetch(`http://127.0.0.1:${port}${path}`, options)).arrayBuffer()
}

async function alone(kind: 'commits' | 'hashes', seconds: number, argument: string): Promise<number> {
  const file = join(packageRoot, 'bench', 'peers', 'alone.mjs')
  const { stdout } = await run(process.execPath, [file, kind, String(seconds), argument])
  return Number(stdout)
}

/** What gives a number in a round; undefined where there is none to give. */
type Tries = Record<string, (round: number) => Promise<number | undefined>>

/** Each try in turn, so that whatever else the machine does meets all of them alike; a first round is not counted. */
async function medians(tries: Tries, rounds: number): Promise<Record<string, number>> {
  const all = new Map(Object.keys(tries).map((name) => [name, [] as number[]]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, attempt] of Object.entries(tries)) {
      const value = await attempt(round)
      if (round > 0 && value !== undefined) all.get(name)?.push(value)
    }
  }
  const measured = [...all].filter(([, results]) => results.length > 0)
  return Object.fromEntries(measured.map(([name, results]) => [name, median(results)]))
}

function median(values: number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
}
