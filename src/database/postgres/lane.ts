import type { Duplex } from 'node:stream'
import type pg from 'pg'
import { Client } from './client.js'
import { isUnavailable } from './errors.js'
import { ANSWER_TIMEOUT_MS } from './pooler.js'
import { type Described, PreparedQuery, type Statement } from './prepared-query.js'

/** The most statements that may be unanswered on a connection. */
const UNANSWERED_LIMIT = 256
/** A slower statement (waiting for a lock, or reading many rows) delays the statements behind it. */
const STALLED_MS = 50
/** A firewall or NAT may have dropped a connection that was idle for longer. */
const IDLE_MS = 60_000

/**
 * A connection in pipeline mode (libpq term): it sends statements without waiting for earlier answers. Each statement
 * is its own transaction, so a failure affects no other statement. Statements of one tick are sent in one write.
 */
export class Lane {
  readonly #client: Client
  readonly #described: Described = new Map()
  /** Send times of the unanswered statements. The server answers in the same order. */
  readonly #sentAt: number[] = []
  #lastSentAt = performance.now()
  #corked: Duplex | undefined
  #watch: NodeJS.Timeout | undefined
  #isRetired = false

  /** `client` is in pipeline mode, connected or about to connect. */
  constructor(client: Client) {
    this.#client = client
    // Without a listener, a connection closed by the server would crash this process. Its statements fail anyway.
    client.on('error', () => this.retire())
  }

  /** Connects, and applies the session settings with `applySettings`. */
  static async open(config: pg.ClientConfig, applySettings: (lane: Lane) => Promise<void>): Promise<Lane> {
    const client = new Client({ ...config, pipeline: true })
    const lane = new Lane(client)
    try {
      await client.connect()
      await applySettings(lane)
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

  /** Whether the socket is corked: statements of this tick are waiting to be sent. */
  get isLeaving(): boolean {
    return this.#corked !== undefined
  }

  /** Whether a new statement would be answered soon: the queue is short, and no slow statement is ahead. */
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

  /** Sends the statements of this tick now. */
  flush(): void {
    this.#corked?.uncork()
    this.#corked = undefined
  }

  /** Accepts no further statements. Statements already sent are still answered. */
  async retire(): Promise<void> {
    if (this.#isRetired) return
    this.#isRetired = true
    await this.#client.end().catch(() => {})
  }

  #cork(): void {
    if (this.#corked !== undefined) return
    this.#corked = this.#client.stream
    this.#corked.cork()
    setImmediate(() => this.flush())
  }

  /**
   * Destroys the connection if its oldest statement is not answered in time. One timer serves all statements: a timer
   * per statement would cost more than the statement.
   */
  #watchFor(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#watch = undefined
      const [oldest] = this.#sentAt
      if (oldest === undefined) return
      const leftMs = oldest + ANSWER_TIMEOUT_MS - performance.now()
      if (leftMs > 0) this.#watch = this.#watchFor(leftMs)
      else this.#client.stream.destroy()
    }, ms).unref()
  }
}
