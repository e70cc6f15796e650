import { gt, sql } from 'drizzle-orm'
import type { Database } from '../database/database.js'
import { type ClientRow, type OAuthClient, toOAuthClient } from './oauth-clients.js'

/** All clients are read again this often. */
const POLL_ALL_MS = 60_000
/** A poll reads again what changed this long ago: a commit may become visible later than its own time says. */
const POLL_OVERLAP_MS = 60_000

/** The clients, in the memory of this process: no request asks the database who a client is. A poll learns what others changed. */
export class KnownClients {
  readonly #statements: ReturnType<typeof prepareStatements>
  #byId = new Map<string, OAuthClient>()
  /** When each row was changed last, also of those that are deleted: a poll that began before a change must not undo it. */
  #changedAt = new Map<string, number>()
  #polledAllAt = Number.NEGATIVE_INFINITY
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(database: Database) {
    this.#statements = prepareStatements(database)
  }

  /** The client of this id, as far as this process knows; it may be disabled. */
  find(id: string): OAuthClient | undefined {
    return this.#byId.get(id)
  }

  /** As `find`; of an id that is not known the database is asked, by one query for all that come meanwhile. */
  async lookUp(id: string): Promise<OAuthClient | undefined> {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    await this.#learnNext()
    return this.#byId.get(id)
  }

  /** How many there are. */
  get size(): number {
    return this.#byId.size
  }

  /** Learns what other processes changed. */
  async poll(): Promise<void> {
    const startedAt = performance.now()
    const isFull = startedAt - this.#polledAllAt >= POLL_ALL_MS
    this.learn(await (isFull ? this.#statements.selectAll : this.#statements.selectRecent).execute({}))
    if (isFull) this.#polledAllAt = startedAt
  }

  /** Takes over rows as they are now. */
  learn(rows: readonly ClientRow[]): void {
    for (const row of rows) {
      if (row.updatedAt < (this.#changedAt.get(row.id) ?? 0)) continue
      this.#changedAt.set(row.id, row.updatedAt)
      if (row.deletedAt === null) this.#byId.set(row.id, toOAuthClient(row))
      else this.#byId.delete(row.id)
    }
  }

  /** A poll that begins after this call: one that runs already may have missed the row. */
  #learnNext(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      const poll = this.poll()
      this.#running = poll.catch(() => {})
      return poll
    })
    return this.#next
  }
}

function prepareStatements({ db, tables, now }: Database) {
  const { clients } = tables
  return {
    selectAll: db.select().from(clients).prepare('select_clients'),
    selectRecent: db
      .select()
      .from(clients)
      .where(gt(clients.updatedAt, sql`${now} - ${POLL_OVERLAP_MS}`))
      .prepare('select_recent_clients'),
  }
}
