import type { Duplex } from 'node:stream'
import pg from 'pg'
import { isUnavailable } from './errors.js'
import { ANSWER_TIMEOUT_MS } from './pooler.js'
import { type Described, PreparedQuery, type Statement } from './prepared-query.js'

/** The most statements that may be unanswered on a connection. */
const UNANSWERED_LIMIT = 256
/** A statement that takes longer delays those behind it: it waits for a lock, or reads many rows. */
const STALLED_MS = 50
/** A firewall or NAT may have dropped a connection that was idle for longer. */
const IDLE_MS = 60_000

/**
 * A connection that takes statements before the earlier ones are answered (libpq calls it pipeline mode). Each is a
 * transaction of its own, so that one that fails fails alone. Those of one tick leave in one write.
 */
export class Lane {
  readonly #client: pg.Client
  readonly #described: Described = new Map()
  /** When the statements without an answer were sent. The server answers them in this order. */
  readonly #sentAt: number[] = []
  #lastSentAt = performance.now()
  #corked: Duplex | undefined
  #watch: NodeJS.Timeout | undefined
  #isRetired = false

  /** Of a client in pipeline mode that is connected, or is about to be. */
  constructor(client: pg.Client) {
    this.#client = client
    // Without a listener a connection that the server ends would end this process too; its statements fail anyway.
    client.on('error', () => this.retire())
  }

  /** Connects; `settle` gives the connection its settings. */
  static async open(config: pg.ClientConfig, settle: (lane: Lane) => Promise<void>): Promise<Lane> {
    const client = new pg.Client({ ...config, pipeline: true })
    const lane = new Lane(client)
    try {
      await client.connect()
      await settle(lane)
    } catch (error) {
      lane.retire()
      throw error
    }
    return lane
  }

  get unanswered(): number {
    return this.#sentAt.length
  }

  get isRetired(): boolean {
    return this.#isRetired
  }

  get isIdle(): boolean {
    return this.unanswered === 0 && performance.now() - this.#lastSentAt > IDLE_MS
  }

  /** Whether statements wait for the end of this tick. */
  get isLeaving(): boolean {
    return this.#corked !== undefined
  }

  /** Whether a new statement would be answered soon: the queue is short, and nothing slow is in front. */
  get isOpen(): boolean {
    const [oldest] = this.#sentAt
    if (oldest === undefined) return !this.#isRetired
    return !this.#isRetired && this.unanswered < UNANSWERED_LIMIT && performance.now() - oldest < STALLED_MS
  }

  query(statement: Statement, values?: unknown[]): Promise<pg.QueryResult> {
    return new Promise((resolve, reject) => {
      const query = new PreparedQuery(statement, values, this.#described, (error, result) => {
        this.#sentAt.shift()
        if (!error) return resolve(result)
        if (isUnavailable(error)) this.retire()
        reject(error)
      })
      this.#cork()
      this.#lastSentAt = performance.now()
      this.#sentAt.push(this.#lastSentAt)
      this.#watch ??= this.#watchFor(ANSWER_TIMEOUT_MS)
      this.#client.query(query)
    })
  }

  /** Sends at once what the end of the tick would send. */
  flush(): void {
    this.#corked?.uncork()
    this.#corked = undefined
  }

  /** Takes no further statement. Those that were sent are still answered. */
  async retire(): Promise<void> {
    if (this.#isRetired) return
    this.#isRetired = true
    await this.#client.end().catch(() => {})
  }

  get #stream(): Duplex {
    return (this.#client as unknown as { connection: { stream: Duplex } }).connection.stream
  }

  #cork(): void {
    if (this.#corked !== undefined) return
    this.#corked = this.#stream
    this.#corked.cork()
    setImmediate(() => this.flush())
  }

  /** Cuts the connection when its oldest statement gets no answer in time. One timer for all: each would cost more than it does. */
  #watchFor(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#watch = undefined
      const [oldest] = this.#sentAt
      if (oldest === undefined) return
      const leftMs = oldest + ANSWER_TIMEOUT_MS - performance.now()
      if (leftMs > 0) this.#watch = this.#watchFor(leftMs)
      else this.#stream.destroy()
    }, ms).unref()
  }
}
