import type pg from 'pg'
import { Problem } from '../../problems.js'
import type { Lane } from './lane.js'
import type { Lanes } from './lanes.js'
import type { Statement } from './prepared-query.js'

/** Statements that wait while one batch takes longer are the pool's: one of the batch waits for a lock. */
const STALLED_MS = 200
/** Statements of one batch. */
const BATCH_LIMIT = 128

/**
 * Commits, and waits until the disk has this commit and with it all earlier ones; the message of a logical decoding is
 * the one thing that can be written to the log (WAL) without a table.
 */
const FLUSH: Statement = {
  name: 'flush_commits',
  text: `select set_config('synchronous_commit', current_setting('latchkey.synchronous_commit'), true),
    pg_logical_emit_message(true, 'latchkey', '')`,
  rowMode: 'array',
}

/** Makes the commits of a connection return before they are on disk, all but those of `FLUSH`. */
export async function deferFlushes(lane: Lane): Promise<void> {
  await lane.query({
    text: `select set_config('latchkey.synchronous_commit', current_setting('synchronous_commit'), false)`,
  })
  await lane.query({ text: `select set_config('synchronous_commit', 'off', false)` })
  // Refused here where the engine does not have it, and not when rows are written already.
  await lane.query(FLUSH)
}

interface Waiting {
  statement: Statement
  values: unknown[]
  resolve: (result: pg.QueryResult | undefined) => void
  reject: (error: unknown) => void
}

/**
 * Statements that write, whose commits share one wait for the disk. Each is a transaction of its own, so that locks are held
 * for as short as ever. Nobody is told of a row of theirs that is not on disk yet.
 */
export class SharedCommits {
  readonly #lanes: Lanes
  #waiting: Waiting[] = []
  #isBusy = false
  #isStalled = false

  constructor(lanes: Lanes) {
    this.#lanes = lanes
  }

  /** Resolves to undefined when it was not executed, because it would have to wait. */
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
      // A quiet service needs no connection for commits that none shares.
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
