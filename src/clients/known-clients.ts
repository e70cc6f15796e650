import { gt, sql } from 'drizzle-orm'
import { ChangedRows, RECENT_MS } from '../database/changed-rows.js'
import type { Database } from '../database/database.js'
import { type ClientRow, type OAuthClient, toOAuthClient } from './oauth-clients.js'

/** Caches all clients in memory, so that requests need no query. A poll reads changes by other processes. */
export class KnownClients {
  readonly #rows: ReturnType<typeof prepareRows>
  #byId = new Map<string, OAuthClient>()
  /** Rebuilt on its first use after a change. */
  #origins: Set<string> | undefined
  /** When each row last changed, including deleted rows: a poll that began before a change must not undo the change. */
  #changedAt = new Map<string, number>()
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(database: Database) {
    this.#rows = prepareRows(database)
  }

  /** The cached client of this id, which may be disabled. */
  find(id: string): OAuthClient | undefined {
    return this.#byId.get(id)
  }

  /** As `find`, but polls the database if the id is unknown. Concurrent look-ups share one query. */
  async lookUp(id: string): Promise<OAuthClient | undefined> {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    await this.#learnNext()
    return this.#byId.get(id)
  }

  /** The words of a token's scope that its client may still have: the operator may have removed some since. */
  heldBy(clientId: string, words: readonly string[]): readonly string[] {
    const client = this.#byId.get(clientId)
    return client === undefined ? words : words.filter((word) => client.scopes.includes(word))
  }

  /** The algorithms that sign the id_tokens of these clients. */
  idTokenAlgorithms(): Set<OAuthClient['idTokenAlgorithm']> {
    return new Set(
      [...this.#byId.values()].flatMap(({ grantTypes, scopes, idTokenAlgorithm }) =>
        grantTypes.includes('authorization_code') && scopes.includes('openid') ? [idTokenAlgorithm] : [],
      ),
    )
  }

  /** Whether an active client has a redirect URI with this origin. */
  hasPageAt(origin: string): boolean {
    this.#origins ??= new Set(
      [...this.#byId.values()].flatMap(({ isActive, redirectUris }) =>
        isActive ? redirectUris.map((uri) => new URL(uri).origin).filter((own) => own !== 'null') : [],
      ),
    )
    return this.#origins.has(origin)
  }

  /** Reads changes by other processes. */
  async poll(): Promise<void> {
    this.learn((await this.#rows.read()).rows)
  }

  /** Takes over changed rows. */
  learn(rows: readonly ClientRow[]): void {
    if (rows.length > 0) this.#origins = undefined
    for (const row of rows) {
      if (row.updatedAt < (this.#changedAt.get(row.id) ?? 0)) continue
      this.#changedAt.set(row.id, row.updatedAt)
      if (row.deletedAt === null) this.#byId.set(row.id, toOAuthClient(row))
      else this.#byId.delete(row.id)
    }
  }

  /** A poll that begins after this call: a running poll may have missed the row. */
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
