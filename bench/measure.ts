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
/** More than the hash queue holds, so that some are refused. */
const FLOOD_CONNECTIONS = 48
const COLD_STARTS = 5
const SIZES = [1_000, 100_000, 1_000_000]
const LARGE = 10_000_000
/** Until V8 has compiled the hot path: after one second the service has a third of the rate that it has after four. */
const WARM_UP_SECONDS = 4
/** A hash takes 0.2 s, so a slice must be long enough for many of them. */
const LOGIN_SECONDS = 4

export interface Plan {
  rows: Row[]
  rounds: number
  seconds: number
  folder: string
  /** Descriptions of the error responses, which the rates do not count. */
  failures: string[]
}

/** Median rates by row and contestant, upper limits included. */
export type Rates = Partial<Record<Row | 'limits', Record<string, number>>>

const run = promisify(execFile)

/** Measures every contestant on every row, round after round. */
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
        const seconds = round === 0 ? Math.max(WARM_UP_SECONDS, plan.seconds) : plan.seconds
        return what && ask(servers?.[row] ?? server, what, { ...plan, seconds }, row, name)
      }
    }
    if (row === 'create') tries['the work alone'] = () => alone('commits', plan.seconds, contestants.aloneFile)
    if (row === 'login') tries['the work alone'] = () => alone('hashes', LOGIN_SECONDS, String(availableParallelism()))
    rates[row] = await medians(tries, plan.rounds)
    console.error(row, rates[row])
  }
  return rates
}

/** 99th percentile of the list in milliseconds: with no log-ins, and under a flood of log-ins. */
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

/** Requests per second for a list of 20 rows, by the size of the table. */
export interface Size {
  engine: 'SQLite' | 'PostgreSQL'
  rows: number
  perSecond: number
}

/** The rate of the list by table size on SQLite; with `large`, also with ten million rows on PostgreSQL. */
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

/** Milliseconds from the start of the process to its first response. */
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

/** Waits for a log-in: hashes that the load generator abandoned would otherwise run during the next measurement. */
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

/** One measurement of a round; undefined where there is no figure. */
type Tries = Record<string, (round: number) => Promise<number | undefined>>

/**
 * Alternates between the measurements, so that noise on the machine affects all of them. The first round only warms up.
 */
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
