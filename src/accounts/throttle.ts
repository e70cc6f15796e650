import { and, eq, like, or, sql } from 'drizzle-orm'
import type { Refusals } from '../audit/refusals.js'
import type { Client } from '../audit/requester.js'
import { deleteInBatches } from '../database/batches.js'
import { type Database, type Db, within } from '../database/database.js'
import { type Network, networksOf } from '../networks.js'
import { Problem } from '../problems.js'
import type { KnownNetworks } from '../sessions/known-networks.js'
import { logins } from '../telemetry/channels.js'
import { pseudonym, type Secret } from '../tokens/secret.js'
import { prepareTake } from './window-budgets.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** This many wrong passwords are allowed in a row; then one after each wait. */
const TRIES = 10
const FIRST_WAIT_MS = 30_000
const LONGEST_WAIT_MS = 15 * MINUTE_MS
/** After this many doublings, 30 s exceed the longest wait. */
const DOUBLINGS = 5
/** This many wrong passwords in a row are an attack, not a forgotten password: then one try an hour is allowed. */
export const MANY_TRIES = 100
const MANY_TRIES_WAIT_MS = HOUR_MS
/**
 * A budget that was not used for this long is deleted. From `REMEMBERED_TRIES` on, the time is a month: otherwise an
 * attacker who pauses for a day before the hundredth try would get more tries than one who does not.
 */
const FORGET_AFTER_MS = DAY_MS
const REMEMBERED_TRIES = 30
const FORGET_MANY_AFTER_MS = 30 * DAY_MS
/**
 * `until` of a budget that is not locked. 0, not now(): a statement that waited for a row lock compares with its own,
 * earlier now().
 */
const FREE = 0
/** A network (an IPv4 address, or the /64 of an IPv6 address) may try this many wrong passwords in a window. */
const NETWORK_TRIES = 100
const NETWORK_WINDOW_MS = 15 * MINUTE_MS
/** The id for a name without an account. */
const NOBODY = 0

/** The account whose password is tried, and the client. */
export interface Attempt {
  /** The account with this name, even if the log-in endpoint compares the name more strictly. */
  owner: { id: number; passwordHash: string | null } | undefined
  /** The name in its canonical form: identifies the budget if there is no account. */
  name: string
  client: Client
  /** The live session in which its owner confirms the password. */
  sessionId?: string | undefined
}

interface Dependencies {
  database: Database
  known: KnownNetworks
  refusals: Refusals
  secret: Secret
}

/** An attempt that one of its budgets refuses. */
class Throttled extends Problem {
  /** The key of the budget. */
  readonly budget: string

  constructor(budget: string, waitMs: number) {
    super('too_many_attempts', { headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))) } })
    this.budget = budget
  }
}

/** The budgets that an attempt has taken a try from. */
export interface Reservation {
  account: string
  networks: Network[]
  /** How many wrong passwords in a row this is, if the password is wrong. */
  tries: number
  /** Whether it was the last try before a wait. */
  isLast: boolean
}

/**
 * The budgets of wrong passwords, stored in the database and so shared by all processes. A try is reserved before the
 * hash is computed, in one statement for each budget, so that concurrent tries cannot exceed it.
 *
 * An account has several budgets: one for each session (to confirm the password), one for each network that it logged
 * in from lately, and one for all other networks together. An attacker can only use up the last one, and so cannot lock
 * the owner out of familiar networks. The other networks also have a budget each, across all accounts.
 *
 * The key of a budget is an HMAC, so the table shows no names: users type passwords into the wrong field. The HMAC
 * covers the hash of the password, so a new password starts with full budgets.
 */
export class Throttle {
  readonly #database: Database
  readonly #known: KnownNetworks
  readonly #refusals: Refusals
  readonly #key: Buffer
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor({ database, known, refusals, secret }: Dependencies) {
    this.#database = database
    this.#known = known
    this.#refusals = refusals
    this.#key = secret.derive('throttle')[0]
    this.#statements = prepareStatements(database)
  }

  /**
   * Takes one try from each budget of the attempt, or from none.
   * @throws Throttled, a Problem too_many_attempts with Retry-After
   */
  async reserve(attempt: Attempt): Promise<Reservation> {
    const { account, networks } = await this.#budgetsOf(attempt)
    try {
      const tries = await this.#database.transaction(async (db) => {
        const tries = await this.#takeFromAccount(db, account)
        for (const network of networks) await this.#takeFromNetwork(db, network)
        return tries
      })
      return { account, networks, tries, isLast: tries >= TRIES }
    } catch (error) {
      if (error instanceof Throttled) this.#note(error, attempt)
      throw error
    }
  }

  #note({ budget }: Throttled, { owner, sessionId, client }: Attempt): void {
    logins.publish({ result: 'throttled' })
    const reason = budget.startsWith('network:') ? 'network' : 'account'
    const whom = { userId: owner?.id ?? null, actorId: null, ...(sessionId && { sessionId }) }
    this.#refusals.note(budget, { type: 'login.throttled', ...whom, reason }, client)
  }

  /** The password was right: resets the account's budget, and returns the try of each network. */
  succeed({ account, networks }: Reservation): Promise<void> {
    return this.#database.transaction(async (db) => {
      await within(db, this.#statements.forget).execute({ key: account })
      await this.#giveBack(db, networks)
    })
  }

  /** The password was not verified, so the try does not count. */
  release({ account, networks }: Reservation): Promise<void> {
    return this.#database.transaction(async (db) => {
      await within(db, this.#statements.giveBackToAccount).execute({ key: account })
      await this.#giveBack(db, networks)
    })
  }

  /** Deletes budgets that are full again. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { throttle } = this.#database.tables
    const { isOver, isForgotten, isQuiet } = conditions(this.#database)
    const isOldNetwork = and(like(throttle.key, 'network:%'), isQuiet)
    const where = and(isOver, or(isForgotten, isOldNetwork))
    await deleteInBatches(this.#database, { table: throttle, key: throttle.key, where, signal })
  }

  /** The budgets of an attempt. Unknown names cost the same statements and have the same budgets as known ones. */
  async #budgetsOf({
    owner,
    name,
    client: { ip },
    sessionId,
  }: Attempt): Promise<Pick<Reservation, 'account' | 'networks'>> {
    const whose = owner ? [owner.id, owner.passwordHash ?? ''] : [name]
    const keyOf = (...parts: string[]) => `account:${pseudonym(this.#key, ...parts, ...whose)}`
    if (sessionId !== undefined) return { account: keyOf('session', sessionId), networks: [] }
    const networks = networksOf(ip)
    const isKnown = await this.#known.has(owner?.id ?? NOBODY, ip)
    return isKnown ? { account: keyOf('known', networks[0].key), networks: [] } : { account: keyOf('all'), networks }
  }

  async #takeFromAccount(db: Db, key: string): Promise<number> {
    const [taken] = await within(db, this.#statements.takeFromAccount).execute({ key })
    if (taken !== undefined) return taken.tries
    const [row] = await within(db, this.#statements.find).execute({ key })
    // Rounded up: the exact wait would tell an attacker when to send the next try.
    throw new Throttled(key, row !== undefined && row.tries >= MANY_TRIES ? MANY_TRIES_WAIT_MS : LONGEST_WAIT_MS)
  }

  async #takeFromNetwork(db: Db, { key, share }: Network): Promise<void> {
    const [taken] = await within(db, this.#statements.takeFromNetwork).execute({ key, limit: NETWORK_TRIES * share })
    if (taken !== undefined) return
    const [row] = await within(db, this.#statements.find).execute({ key })
    throw new Throttled(key, row?.ms ?? 0)
  }

  async #giveBack(db: Db, networks: Network[]): Promise<void> {
    for (const { key } of networks) await within(db, this.#statements.giveBackToNetwork).execute({ key })
  }
}

function conditions({ tables: { throttle }, now }: Database) {
  return {
    isOver: sql`${throttle.until} <= ${now}`,
    isQuiet: sql`${throttle.updatedAt} < ${now} - ${FORGET_AFTER_MS}`,
    isForgotten: sql`${throttle.updatedAt} < ${now} - case when ${throttle.tries} < ${REMEMBERED_TRIES}
      then cast(${FORGET_AFTER_MS} as bigint) else cast(${FORGET_MANY_AFTER_MS} as bigint) end`,
  }
}

function prepareStatements(database: Database) {
  const { db, tables, now } = database
  const { throttle } = tables
  const { isOver, isForgotten } = conditions(database)
  const key = sql.placeholder('key')
  const doublings = sql`${throttle.tries} + 1 - ${TRIES}`
  const wait = sql`case when ${throttle.tries} + 1 >= ${MANY_TRIES} then ${MANY_TRIES_WAIT_MS}
    when ${doublings} >= ${DOUBLINGS} then ${LONGEST_WAIT_MS}
    else cast(${FIRST_WAIT_MS} as bigint) << cast(${doublings} as integer) end`

  return {
    takeFromAccount: db
      .insert(throttle)
      .values({ key, tries: 1, until: FREE, updatedAt: now })
      .onConflictDoUpdate({
        target: throttle.key,
        set: {
          tries: sql`case when ${isForgotten} then 1 else ${throttle.tries} + 1 end`,
          until: sql`case when ${isForgotten} or ${doublings} < 0 then ${FREE} else ${now} + ${wait} end`,
          updatedAt: now,
        },
        setWhere: isOver,
      })
      .returning({ tries: throttle.tries })
      .prepare('take_from_account'),
    takeFromNetwork: prepareTake(database, NETWORK_WINDOW_MS, 'take_from_network'),
    giveBackToNetwork: db
      .update(throttle)
      .set({ tries: sql`${throttle.tries} - 1` })
      .where(and(eq(throttle.key, key), sql`${throttle.tries} > 0`))
      .prepare('give_back_to_network'),
    giveBackToAccount: db
      .update(throttle)
      .set({ tries: sql`${throttle.tries} - 1`, until: FREE })
      .where(and(eq(throttle.key, key), sql`${throttle.tries} > 0`))
      .prepare('give_back_to_account'),
    forget: db.delete(throttle).where(eq(throttle.key, key)).prepare('forget_account'),
    find: db
      .select({ tries: throttle.tries, ms: sql`${throttle.until} - ${now}`.mapWith(Number) })
      .from(throttle)
      .where(eq(throttle.key, key))
      .prepare('find_throttle'),
  }
}
