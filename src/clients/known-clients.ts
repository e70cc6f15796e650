import { gt, sql } from 'drizzle-orm'
import { ChangedRows, RECENT_MS } from '../database/changed-rows.js'
import type { Database } from '../database/database.js'
import { type ClientRow, type OAuthClient, toOAuthClient } from './oauth-clients.js'

/** The clients, in the memory of this process: no request asks the database who a client is. A poll learns what others changed. */
export class KnownClients {
  readonly #rows: ReturnType<typeof prepareRows>
  #byId = new Map<string, OAuthClient>()
  /** Made anew at its first use after a change. */
  #origins: Set<string> | undefined
  /** When each row was changed last, also of those that are deleted: a poll that began before a change must not undo it. */
  #changedAt = new Map<string, number>()
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(database: Database) {
    this.#rows = prepareRows(database)
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

  /** Those words of a token's scope that its client still has: the operator may have taken one since. */
  heldBy(clientId: string, words: readonly string[]): readonly string[] {
    const client = this.#byId.get(clientId)
    return client === undefined ? words : words.filter((word) => client.scopes.includes(word))
  }

  /** How the id_tokens are signed that these clients can get. */
  idTokenAlgorithms(): Set<OAuthClient['idTokenAlgorithm']> {
    return new Set(
      [...this.#byId.values()].flatMap(({ grantTypes, scopes, idTokenAlgorithm }) =>
        grantTypes.includes('authorization_code') && scopes.includes('openid') ? [idTokenAlgorithm] : [],
      ),
    )
  }

  /** Whether an enabled client has people sent back to an address of this origin. */
  hasPageAt(origin: string): boolean {
    this.#origins ??= new Set(
      [...this.#byId.values()].flatMap(({ isActive, redirectUris }) =>
        isActive ? redirectUris.map((uri) => new URL(uri).origin).filter((own) => own !== 'null') : [],
      ),
    )
    return this.#origins.has(origin)
  }

  /** How many there are. */
  get size(): number {
    return this.#byId.size
  }

  /** Learns what other processes changed. */
  async poll(): Promise<void> {
    this.learn((await this.#rows.read()).rows)
  }

  /** Takes over rows as they are now. */
  learn(rows: readonly ClientRow[]): void {
    if (rows.length > 0) this.#origins = undefined
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

function prepareRows({ db, tables, now }: Database) {
  const { clients } = tables
  return new ChangedRows({
    all: db.select().from(clients).prepare('select_clients'),
    recent: db
      .select()
      .from(clients)
      .where(gt(clients.updatedAt, sql`${now} - ${RECENT_MS}`))
      .prepare('select_recent_clients'),
  })
}
