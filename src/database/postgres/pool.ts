import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Problem } from '../../problems.js'
import { statements, timed } from '../../telemetry/channels.js'
import { assertText } from '../database.js'
import { Client } from './client.js'
import { asProblem, isConflict, isFull, isUnavailable } from './errors.js'
import { Pipeline } from './pipeline.js'
import { ANSWER_TIMEOUT_MS, isLostStatement, type Probe } from './pooler.js'
import { NUMBERS, type Statement } from './prepared-query.js'
import { applySettings } from './session.js'

const CONNECT_TIMEOUT_MS = 2_000
const IDLE_CONNECTION_MS = 60_000
/**
 * The most statements that may wait for a connection. Further statements are refused, because their answers would be
 * too late.
 */
const WAITING_LIMIT = 1_000
const CLOSE_TIMEOUT_MS = 2_000
/** How long no further connection is tried after the server has refused one. */
const FULL_FOR_MS = 10_000
/**
 * Sets the isolation level per transaction: a transaction pooler may hand over a connection with the settings of
 * another client.
 */
const BEGIN = 'begin isolation level read committed'
/**
 * The number of attempts at a statement or transaction that fails with a serialization error or a deadlock, and the
 * approximate first pause.
 */
const TRIES = 6
const FIRST_PAUSE_MS = 5

/** The only method that drizzle calls on a connection. */
export interface Runner {
  query(statement: Statement, params?: unknown[]): Promise<pg.QueryResult>
}

/**
 * A pool of connections to PostgreSQL, with pipelined lanes for short statements. Connection errors are thrown as
 * Problems.
 */
export class Pool implements Runner {
  readonly #pool: pg.Pool
  readonly #pipeline: Pipeline
  readonly #max: number
  #growth: NodeJS.Timeout | undefined
  readonly #probe: Probe

  constructor(url: string, size: number, probe: Probe) {
    this.#probe = probe
    const connection = {
      connectionString: url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      ...probe.limits,
      keepAlive: true,
      application_name: 'latchkey',
    }
    this.#pipeline = new Pipeline(connection, probe.isDirect ? size : 0, probe.client)
    this.#max = size - this.#pipeline.size
    this.#pool = new pg.Pool({
      ...connection,
      Client,
      max: this.#max,
      query_timeout: ANSWER_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_CONNECTION_MS,
      onConnect: applySettings,
    })
    // Without listeners, a connection closed by the server would crash this process. No handling is needed: the pool
    // drops an idle connection, and on a busy connection the statement fails.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => client.on('error', () => {}))
  }

  query(statement: Statement, params: unknown[] = []): Promise<pg.QueryResult> {
    return timed(statements, () =>
      repeated(
        TRIES,
        async () => (await this.#queryInPipeline(statement, params)) ?? this.#queryAlone(statement, params),
      ),
    )
  }

  /**
   * Undefined if the statement was not executed. Only prepared statements are pipelined: they are short, and a slow
   * statement would delay all others behind it.
   */
  async #queryInPipeline(statement: Statement, params: unknown[]): Promise<pg.QueryResult | undefined> {
    if (statement.name === undefined) return undefined
    assertText(params)
    try {
      return await this.#pipeline.query(statement, params)
    } catch (error) {
      // A concurrent statement of the same name failed to be prepared, so this statement was not executed.
      if (isLostStatement(error)) return undefined
      throw asProblem(error)
    }
  }

  async #queryAlone(statement: Statement, params: unknown[]): Promise<pg.QueryResult> {
    const connection = new Checkout(await this.#connect(), this.#probe)
    try {
      return await connection.query(statement, params)
    } finally {
      connection.release()
    }
  }

  /**
   * Runs `work` in a transaction on its own connection. A failed statement fails the transaction. Serialization errors
   * and deadlocks are retried, so `work` must only run statements, unless `tries` is 1. `limitMs` replaces the limits of
   * a request for each statement, and for the time between two.
   */
  transaction<Result>(
    work: (runner: Runner) => Promise<Result>,
    { begin = BEGIN, tries = TRIES, limitMs }: { begin?: string; tries?: number; limitMs?: number | undefined } = {},
  ): Promise<Result> {
    return repeated(tries, () => this.#transact(work, begin, limitMs))
  }

  async #transact<Result>(
    work: (runner: Runner) => Promise<Result>,
    begin: string,
    limitMs: number | undefined,
  ): Promise<Result> {
    const connection = new Checkout(await this.#connect(), this.#probe, limitMs)
    const runner = new TransactionRunner(connection)
    try {
      const limits = `set local statement_timeout = ${limitMs}; set local idle_in_transaction_session_timeout = ${limitMs}`
      await connection.query({ text: limitMs === undefined ? begin : `${begin}; ${limits}` })
      const result = await work(runner)
      // PostgreSQL answers the commit of a failed transaction with ROLLBACK, without an error.
      runner.assertSound()
      await connection.query({ text: 'commit' })
      return result
    } catch (error) {
      if (!connection.isBroken) await connection.query({ text: 'rollback' }).catch(() => {})
      throw error
    } finally {
      runner.end()
      connection.release()
    }
  }

  async close(): Promise<void> {
    // Waits for a limited time: a server that hangs would never answer.
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)
    })
    await Promise.race([Promise.all([this.#pool.end(), this.#pipeline.close()]), timeout])
    clearTimeout(timer)
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#pool.waitingCount >= WAITING_LIMIT) throw new Problem('database_unavailable')
    try {
      return await this.#pool.connect()
    } catch (cause) {
      if (!isFull(cause) || this.#pool.totalCount === 0) throw new Problem('database_unavailable', { cause })
    }
    this.#shrink()
    return this.#connect()
  }

  /** The server accepts no further connection: for a while, statements wait for those that there are. */
  #shrink(): void {
    this.#pool.options.max = this.#pool.totalCount
    clearTimeout(this.#growth)
    this.#growth = setTimeout(() => {
      this.#pool.options.max = this.#max
    }, FULL_FOR_MS).unref()
  }
}

/** A connection checked out of the pool. A broken connection is not returned. */
class Checkout implements Runner {
  isBroken = false
  readonly #client: pg.PoolClient
  readonly #probe: Probe
  readonly #limitMs: number | undefined

  constructor(client: pg.PoolClient, probe: Probe, limitMs?: number) {
    this.#client = client
    this.#probe = probe
    this.#limitMs = limitMs
  }

  async query(statement: Statement, params: unknown[] = []): Promise<pg.QueryResult> {
    assertText(params)
    try {
      const query = { ...statement, types: NUMBERS, query_timeout: this.#limitMs } as pg.QueryConfig
      if (!this.#probe.keepsPrepared) delete query.name
      return await this.#client.query(query, params)
    } catch (error) {
      // A transaction pooler does not keep prepared statements: from now on statements are sent without a name.
      if (isLostStatement(error)) this.#probe.keepsPrepared = false
      if (isUnavailable(error)) this.isBroken = true
      throw asProblem(error)
    }
  }

  release(): void {
    this.#client.release(this.isBroken)
  }
}

/** Retries work that PostgreSQL rolled back because of a serialization error or a deadlock. */
async function repeated<Result>(tries: number, work: () => Promise<Result>): Promise<Result> {
  for (let left = tries - 1, pauseMs = FIRST_PAUSE_MS; ; left -= 1, pauseMs *= 2) {
    try {
      return await work()
    } catch (error) {
      if (left === 0 || !isConflict(error)) throw error
    }
    // Jitter, so that the same transactions do not collide again.
    await sleep(pauseMs * (0.5 + Math.random()))
  }
}

/** Runs the statements of one transaction, until a statement fails or the transaction ends. */
class TransactionRunner implements Runner {
  readonly #connection: Checkout
  #failure: { error: unknown } | undefined

  constructor(connection: Checkout) {
    this.#connection = connection
  }

  async query(statement: Statement, params?: unknown[]): Promise<pg.QueryResult> {
    this.assertSound()
    try {
      return await this.#connection.query(statement, params)
    } catch (error) {
      this.#failure ??= { error }
      throw error
    }
  }

  /** Throws the error of the statement that failed. */
  assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  end(): void {
    this.#failure = { error: new Error('The transaction of this statement is over') }
  }
}
