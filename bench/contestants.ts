import { join } from 'node:path'
import pg from 'pg'
import { PostgresServer } from '../test/support/postgres-server.js'
import { captureAnswers } from './answers.js'
import type { Load } from './load.js'
import { OURS_ON_POSTGRES } from './ours.js'
import type { Tutorial } from './python.js'
import { betterAuthLoad, type CookiePerson, loadOf, type Row, tutorialLoad } from './rows.js'
import { copyOf, copyWithArgon2id, type Seeded, seed } from './seed.js'
import { type Server, startLatchkey, startPeer, startPython } from './servers.js'

const ROWS_OF_ALL = 1_000_000
/** Durable commits. Vacuum and checkpoints are off, so that they do not run while another contestant is measured. */
export const POSTGRES = { fsync: 'on', autovacuum: 'off', checkpoint_timeout: '1d', max_wal_size: '16GB' }

/** A server that takes part in some rows of the table. */
export interface Contestant {
  name: string
  server: Server
  /** Servers with other settings, for the rows that need them. */
  servers?: Partial<Record<Row, Server>>
  /** The requests of a row; undefined where the server has no such operation. */
  load(row: Row, round: number): Load | undefined
}

export interface Contestants {
  all: Contestant[]
  /** The upper limits, commits and hashes without a server, need a database file. */
  aloneFile: string
  bareNode: Server
  fastifyHello: Server
  find(name: string): Contestant | undefined
  /** The number of measurements in one round of these rows. */
  count(rows: Row[]): number
  /** Resident memory of each server in MiB. */
  memory(): Record<string, number | undefined>
  close(): Promise<void>
}

/** Starts every contestant, each on a database with the same content. */
export async function openContestants(
  folder: string,
  wanted: (name: string) => boolean,
  tutorials: Tutorial[],
): Promise<Contestants> {
  const ends: (() => Promise<void>)[] = []
  const opened = async (server: Promise<Server>) => {
    const started = await server
    ends.push(() => started.stop())
    return started
  }
  const all: Contestant[] = []
  const close = async () => {
    for (const end of ends.reverse()) await end()
  }
  const same = (name: string, server: Server, facts: Seeded, people = server.people, without: Row[] = []) => {
    const load = (row: Row, round: number) =>
      [...without, 'loginArgon2id'].includes(row) ? undefined : loadOf(row, people, facts, round)
    all.push({ name, server, load })
  }
  const addBetterAuth = async (name: string, address: string) => {
    const server = await opened(startPeer('better-auth', address))
    const people = server.people as unknown as CookiePerson[]
    all.push({ name, server, load: (row) => betterAuthLoad(row, people) })
  }
  try {
    const seeded = await seed(`sqlite:${join(folder, 'seed.db')}`, ROWS_OF_ALL)
    const copy = (name: string) => copyOf(seeded, join(folder, name))
    const start = async (of: Seeded, level: string) => opened(startLatchkey({ ...of.settings, LOG_LEVEL: level }))

    const silent = await start(await copy('silent'), 'silent')
    const argon2id = await copyWithArgon2id(seeded, join(folder, 'argon2id'))
    const servers = { loginArgon2id: await start(argon2id, 'silent') }
    const load = (row: Row, round: number) => loadOf(row, seeded.people, seeded, round)
    all.push({ name: 'Latchkey, silent', server: silent, servers, load })
    same('Latchkey, logging', await start(await copy('logging'), 'info'), seeded, seeded.people)
    const answers = join(folder, 'answers.json')
    await captureAnswers(silent, seeded, answers)

    const bare = await opened(startPeer('bare', answers))
    if (wanted('bare')) same('bare Fastify', bare, seeded, seeded.people, ['refresh', 'login'])
    if (wanted('raw')) {
      const server = await opened(startPeer('raw', (await copy('raw')).file, answers))
      same('raw better-sqlite3', server, seeded, server.people, ['refresh', 'login'])
    }
    if (wanted('better-auth')) await addBetterAuth('Better Auth', join(folder, 'better-auth.db'))
    for (const [peer, name] of [
      ['express', 'Express 5'],
      ['hono', 'Hono'],
    ] as const) {
      if (wanted(peer)) same(name, await opened(startPeer(peer, (await copy(peer)).file)), seeded)
    }
    for (const { peer, name } of tutorials) {
      const server = await opened(startPython(peer, join(folder, `${peer}.db`)))
      all.push({ name, server, load: (row) => tutorialLoad(peer, row, server.people) })
    }
    if (wanted('postgres')) {
      const postgres = await PostgresServer.create(POSTGRES)
      ends.push(() => postgres.remove())
      const onPostgres = await seed(postgres.url, ROWS_OF_ALL)
      same(OURS_ON_POSTGRES, await start(onPostgres, 'silent'), onPostgres, onPostgres.people)
      if (wanted('better-auth')) {
        await addBetterAuth('Better Auth, PostgreSQL', await createDatabase(postgres.url, 'better_auth'))
      }
    }
    return {
      all,
      aloneFile: (await copy('alone')).file,
      bareNode: await opened(startPeer('bare')),
      fastifyHello: bare,
      find: (name) => all.find((contestant) => contestant.name === name),
      count: (rows) => rows.flatMap((row) => all.filter(({ load }) => load(row, 0) !== undefined)).length,
      memory: () => Object.fromEntries(all.map(({ name, server }) => [name, server.memory()])),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The address of a new and empty database on the server. */
async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  return new URL(name, serverUrl).href
}
