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

/** The session of a client ends with what it was begun for. */
const ENDED = { type: 'session.ended', reason: 'consent revoked' } as const

interface Dependencies {
  database: Database
  clients: KnownClients
  events: Events
  endings: Endings
}

/** What people have let clients of others do. The operator's own clients ask nobody. */
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
   * Whether somebody has to be asked before a client gets this scope. Clients on a device are asked for each time: another
   * program may stand at their address (RFC 8252 section 8.6).
   */
  async isNeeded(client: OAuthClient, { userId, scope, redirectUri }: Asked): Promise<boolean> {
    if (client.isFirstParty) return false
    if (!redirectUri.startsWith('https:')) return true
    const [consent] = await this.#find.execute({ userId, clientId: client.id })
    if (consent === undefined) return true
    const granted = wordsOf(consent.scope)
    return !wordsOf(scope).every((word) => granted.includes(word))
  }

  /** Remembers what somebody has agreed to, beside what they had agreed to before. */
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

  /** The clients that somebody lets use their account, in the order of their ids. */
  async list(userId: number): Promise<Consented[]> {
    const { db, tables } = this.#database
    const { consents } = tables
    const rows = await db.select().from(consents).where(eq(consents.userId, userId)).orderBy(asc(consents.clientId))
    return rows.flatMap(({ clientId: id, scope, grantedAt }) => {
      const client = this.#clients.find(id)
      return client === undefined ? [] : [{ id, name: client.name, scope, grantedAt }]
    })
  }

  /** Takes back what somebody agreed to, and ends the sessions of the client. @throws Problem not_found */
  async revoke(userId: number, clientId: string, client: Client): Promise<void> {
    const { consents } = this.#database.tables
    await this.#database.transaction(async (db) => {
      // A session of the client that begins at this moment reads the same row, so that it is either refused or seen below.
      await this.#lock(db, userId)
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

/** A client that was let in, with the words that it may have. */
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
