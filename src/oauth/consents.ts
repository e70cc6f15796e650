import { and, asc, eq, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { KnownClients } from '../clients/known-clients.js'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { storedScope, wordsOf } from '../clients/scopes.js'
import type { Database } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Endings } from '../sessions/endings.js'
import { endSessionsWith } from '../sessions/statements.js'

/** The event for sessions that end because their consent is revoked. */
const ENDED = { type: 'session.ended', reason: 'consent revoked' } as const

interface Dependencies {
  database: Database
  clients: KnownClients
  events: Events
  endings: Endings
}

/** The consents of users to third-party clients. First-party clients need no consent. */
export class Consents {
  readonly #database: Database
  readonly #clients: KnownClients
  readonly #events: Events
  readonly #endings: Endings
  readonly #find: ReturnType<typeof prepareFind>

  constructor({ database, clients, events, endings }: Dependencies) {
    this.#database = database
    this.#clients = clients
    this.#events = events
    this.#endings = endings
    this.#find = prepareFind(database)
  }

  /**
   * Whether the user must be asked before the client gets this scope. Clients without an https redirect URI (on a
   * device) require consent each time: another program may receive the redirect (RFC 8252 section 8.6).
   */
  async isNeeded(client: OAuthClient, { userId, scope, redirectUri }: Asked): Promise<boolean> {
    if (client.isFirstParty) return false
    if (!redirectUri.startsWith('https:')) return true
    const [consent] = await this.#find.execute({ userId, clientId: client.id })
    if (consent === undefined) return true
    const granted = wordsOf(consent.scope)
    return !wordsOf(scope).every((word) => granted.includes(word))
  }

  /** Stores a consent. The scope is added to the scope granted before. */
  async grant({ id: clientId }: OAuthClient, { userId, scope }: Pick<Asked, 'userId' | 'scope'>, client: Client) {
    const { tables, now } = this.#database
    const { consents } = tables
    await this.#database.transaction(async (db) => {
      await this.#lock(db, userId)
      const [before] = await db.select().from(consents).where(this.#is(userId, clientId))
      const all = storedScope(`${before?.scope ?? ''} ${scope}`.trim())
      await db
        .insert(consents)
        .values({ userId, clientId, scope: all, grantedAt: now })
        .onConflictDoUpdate({ target: [consents.userId, consents.clientId], set: { scope: all, grantedAt: now } })
      await this.#events.record({ type: 'consent.granted', userId, reason: clientId }, client, db)
    })
  }

  /** The clients that the user has consented to, ordered by id. */
  async list(userId: number): Promise<Consented[]> {
    const { db, tables } = this.#database
    const { consents } = tables
    const rows = await db.select().from(consents).where(eq(consents.userId, userId)).orderBy(asc(consents.clientId))
    return rows.flatMap(({ clientId: id, scope, grantedAt }) => {
      const client = this.#clients.find(id)
      return client === undefined ? [] : [{ id, name: client.name, scope, grantedAt }]
    })
  }

  /** Revokes a consent, its unused codes and the sessions of the client. @throws Problem not_found */
  async revoke(userId: number, clientId: string, client: Client): Promise<void> {
    const { consents, users } = this.#database.tables
    await this.#database.transaction(async (db) => {
      // Voids codes, also for a later, narrower consent. Locks the user row: a session insert of the client takes
      // `FOR SHARE` on the same row, so a concurrent insert either fails or is visible to the update below.
      const authVersion = sql`${users.authVersion} + 1`
      await db.update(users).set({ authVersion }).where(eq(users.id, userId))
      const gone = await db.delete(consents).where(this.#is(userId, clientId)).returning({ id: consents.clientId })
      if (gone.length === 0) throw new Problem('not_found')
      const ended = await endSessionsWith(this.#database, db, { userId, clientId })
      await this.#events.record({ type: 'consent.revoked', userId, reason: clientId }, client, db)
      await this.#endings.record(db, ended, ENDED, client)
    })
  }

  #is(userId: number, clientId: string) {
    const { consents } = this.#database.tables
    return and(eq(consents.userId, userId), eq(consents.clientId, clientId))
  }

  async #lock(db: Database['db'], userId: number): Promise<void> {
    const { tables, forUpdate } = this.#database
    await db
      .select({ id: tables.users.id })
      .from(tables.users)
      .where(sql`${eq(tables.users.id, userId)} ${forUpdate}`)
  }
}

/** A client with consent, and its granted scope. */
interface Consented {
  id: string
  name: string
  scope: string
  /** In milliseconds since 1970. */
  grantedAt: number
}

interface Asked {
  userId: number
  scope: string
  redirectUri: string
}

function prepareFind({ db, tables: { consents } }: Database) {
  return db
    .select({ scope: consents.scope })
    .from(consents)
    .where(and(eq(consents.userId, sql.placeholder('userId')), eq(consents.clientId, sql.placeholder('clientId'))))
    .prepare('find_consent')
}
