import { and, eq, type SQL, sql } from 'drizzle-orm'
import { deleteInBatches } from './batches.js'
import { type Database, within } from './database.js'
import { logins } from './measures.js'
import { Problem } from './problems.js'

/** An account takes this many failed log-ins at once; then one each time the wait is over. */
const ACCOUNT_TRIES = 10
const FIRST_WAIT_MS = 30_000
const LONGEST_WAIT_MS = 15 * 60_000
/** 30 s doubled so often passes the longest wait. */
const DOUBLINGS = 5
/**
 * The end of no wait. Not the present moment: a statement that stood behind another one's lock has an earlier present, and
 * would take the account for locked.
 */
const FREE = 0
/** An account that nobody has tried for this long starts anew. */
const FORGET_AFTER_MS = 24 * 3_600_000
/** A network (an IPv4 address, or the /64 of an IPv6 one) takes this many failed log-ins in a window. */
const NETWORK_TRIES = 100
const NETWORK_WINDOW_MS = 15 * 60_000

/**
 * The budget of failed log-ins, in the database and so common to all processes. A try is reserved before the hash is
 * computed, in one statement: of many tries at the same moment exactly as many pass as there is budget.
 */
export class Throttle {
  readonly #database: Database
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database) {
    this.#database = database
    this.#statements = prepareStatements(database)
  }

  /**
   * Takes one try from the budgets of both; says whether it was the account's last before a wait.
   * @throws Problem too_many_attempts with Retry-After
   */
  async reserve(network: string, account: string): Promise<{ isLast: boolean }> {
    await this.#take(this.#statements.takeFromNetwork, network)
    try {
      const tries = await this.#take(this.#statements.takeFromAccount, account)
      return { isLast: tries >= ACCOUNT_TRIES }
    } catch (error) {
      // No password was looked at: one locked account must not use up what its whole network has.
      await this.#statements.giveBackToNetwork.execute({ key: network })
      throw error
    }
  }

  /** The password was right: the account's budget is whole again, the network gets its one try back. */
  async succeed(network: string, account: string): Promise<void> {
    await Promise.all([
      this.#statements.giveBackToNetwork.execute({ key: network }),
      this.#statements.forget.execute({ key: account }),
    ])
  }

  /** The account has a new password: what was tried before does not matter. */
  async forgive(account: string, db = this.#database.db): Promise<void> {
    await within(db, this.#statements.forget).execute({ key: account })
  }

  /** The password was not looked at, so the try does not count. */
  async release(network: string, account: string): Promise<void> {
    await Promise.all([
      this.#statements.giveBackToNetwork.execute({ key: network }),
      this.#statements.giveBackToAccount.execute({ key: account }),
    ])
  }

  /** Deletes what no longer throttles anybody. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { now, tables } = this.#database
    const { throttle } = tables
    const where = sql`${throttle.until} <= ${now} and ${throttle.updatedAt} < ${now} - ${FORGET_AFTER_MS}`
    await deleteInBatches(this.#database, { table: throttle, key: throttle.key, where, signal })
  }

  async #take(statement: TakeStatement, key: string): Promise<number> {
    const [taken] = await statement.execute({ key })
    if (taken !== undefined) return taken.tries
    logins.publish({ result: 'throttled' })
    const [row] = await this.#statements.remaining.execute({ key })
    const seconds = Math.max(1, Math.ceil((row?.ms ?? 0) / 1_000))
    throw new Problem('too_many_attempts', { headers: { 'retry-after': String(seconds) } })
  }
}

interface TakeStatement {
  execute(values: { key: string }): PromiseLike<{ tries: number }[]>
}

function prepareStatements({ db, tables: { throttle }, now }: Database) {
  const key = sql.placeholder('key')
  const fresh = (until: SQL | number) => ({ key, tries: 1, until, updatedAt: now })
  const returning = { tries: throttle.tries }
  const isOver = sql`${throttle.until} <= ${now}`

  const isForgotten = sql`${throttle.updatedAt} < ${now} - ${FORGET_AFTER_MS}`
  const doublings = sql`${throttle.tries} + 1 - ${ACCOUNT_TRIES}`
  const wait = sql`case when ${doublings} >= ${DOUBLINGS} then ${LONGEST_WAIT_MS}
    else cast(${FIRST_WAIT_MS} as bigint) << cast(${doublings} as integer) end`

  return {
    takeFromAccount: db
      .insert(throttle)
      .values(fresh(FREE))
      .onConflictDoUpdate({
        target: throttle.key,
        set: {
          tries: sql`case when ${isForgotten} then 1 else ${throttle.tries} + 1 end`,
          until: sql`case when ${isForgotten} or ${doublings} < 0 then ${FREE} else ${now} + ${wait} end`,
          updatedAt: now,
        },
        setWhere: isOver,
      })
      .returning(returning)
      .prepare('take_from_account'),
    takeFromNetwork: db
      .insert(throttle)
      .values(fresh(sql`${now} + ${NETWORK_WINDOW_MS}`))
      .onConflictDoUpdate({
        target: throttle.key,
        set: {
          tries: sql`case when ${isOver} then 1 else ${throttle.tries} + 1 end`,
          until: sql`case when ${isOver} then ${now} + ${NETWORK_WINDOW_MS} else ${throttle.until} end`,
          updatedAt: now,
        },
        setWhere: sql`(${isOver} or ${throttle.tries} < ${NETWORK_TRIES})`,
      })
      .returning(returning)
      .prepare('take_from_network'),
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
    remaining: db
      .select({ ms: sql`${throttle.until} - ${now}`.mapWith(Number) })
      .from(throttle)
      .where(eq(throttle.key, key))
      .prepare('select_remaining_wait'),
  }
}
