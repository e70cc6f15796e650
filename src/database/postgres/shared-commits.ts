import type pg from 'pg'
import { Problem } from '../../problems.js'
import type { Lane } from './lane.js'
import type { Lanes } from './lanes.js'
import type { Statement } from './prepared-query.js'

/** If a batch takes longer (a statement waits for a row lock), the waiting statements go to the pool. */
const STALLED_MS = 200
/** The most statements per batch. */
const BATCH_LIMIT = 128

/**
 * Commits with fsync. A commit flushes the WAL up to its own record, which comes after those of all earlier commits of
 * the connection. `pg_logical_emit_message` writes to the WAL without a table: a transaction that wrote nothing would
 * not wait for a flush.
 */
const FLUSH: Statement = {
  name: 'flush_commits',
  text: `select set_config('synchronous_commit', current_setting('latchkey.synchronous_commit'), true),
    pg_logical_emit_message(true, 'latchkey', '')`,
  rowMode: 'array',
}

/** Turns off `synchronous_commit` for a connection's commits, except for `FLUSH`. */
export async function deferFlushes(lane: Lane): Promise<void> {
  await lane.query({
    text: `select set_config('latchkey.synchronous_commit', current_setting('synchronous_commit'), false)`,
  })
  await lane.query({ text: `select set_config('synchronous_commit', 'off', false)` })
  // A PostgreSQL-compatible engine without the function fails here, before any row is written.
  await lane.query(FLUSH)
}

interface Waiting {
  statement: Statement
  values: unknown[]
  resolve: (result: pg.QueryResult | undefined) => void
  reject: (error: unknown) => void
}

/**
 * Batches writes so that their commits share one fsync. Each statement is its own transaction, so locks are held no
 * longer than without batching. A statement resolves only when its row is on disk.
 */
export class SharedCommits {
  readonly #lanes: Lanes
  #waiting: Waiting[] = []
  #isBusy = false
  #isStalled = false

  constructor(lanes: Lanes) {
    this.#lanes = lanes
  }

  /** Resolves to undefined if the statement was not executed because it would have to wait. */
  async query(statement: Statement, values: unknown[]): Promise<pg.QueryResult | undefined> {
    if (this.#isStalled) return undefined
    return new Promise((resolve, reject) => {
      this.#waiting.push({ statement, values, resolve, reject })
      if (this.#isBusy) return
      this.#isBusy = true
      setImmediate(() => this.#drain())
    })
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      // A single statement has nothing to share, so it does not open a connection.
      const lane = this.#lanes.take(this.#waiting.length > 1)
      if (lane === undefined) this.#giveAway()
      else await this.#commit(lane, this.#waiting.splice(0, BATCH_LIMIT))
    }
    this.#isBusy = false
  }

  async #commit(lane: Lane, batch: Waiting[]): Promise<void> {
    const timer = setTimeout(() => {
      this.#isStalled = true
      this.#giveAway()
    }, STALLED_MS)
    const answers = batch.map(({ statement, values }) => lane.query(statement, values))
    const sent = Promise.allSettled([...answers, lane.query(FLUSH)])
    lane.flush()
    const outcomes = await sent
    clearTimeout(timer)
    this.#isStalled = false
    const flush = outcomes.pop()
    outcomes.forEach((outcome, index) => {
      const waiting = batch[index]
      if (outcome.status === 'rejected') waiting?.reject(outcome.reason)
      else if (flush?.status === 'rejected') {
        waiting?.reject(new Problem('database_unavailable', { cause: flush.reason }))
      } else waiting?.resolve(outcome.value)
    })
  }

  #giveAway(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(undefined)
  }
}
