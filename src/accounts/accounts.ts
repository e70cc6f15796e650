import { and, eq, sql } from 'drizzle-orm'
import { type Actor, assertMayTouch, doneBy } from '../audit/actors.js'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Database } from '../database/database.js'
import { Problem } from '../problems.js'
import { assertManager, assertSession } from '../sessions/actor-checks.js'
import type { DerivedKeys, Secret } from '../tokens/secret.js'
import type { AccountAccess } from './account-access.js'
import { assertNotLast, lockAdmins } from './admins.js'
import { closeAccount, isLarge, sweepClosedAccounts } from './closed-accounts.js'
import { eraseImportedIds } from './imported-ids.js'
import { isKept, lockAccount, lockOwnAccount, type User } from './user-rows.js'

interface Dependencies {
  database: Database
  secret: Secret
  access: AccountAccess
  events: Events
}

/** Finds accounts, logs them out and deletes them, for their owners, admins and the command line. */
export class Accounts {
  readonly #database: Database
  readonly #access: AccountAccess
  readonly #events: Events
  readonly #erasureKeys: DerivedKeys
  readonly #findActive: ReturnType<typeof prepareFindActive>

  constructor({ database, secret, access, events }: Dependencies) {
    this.#database = database
    this.#access = access
    this.#events = events
    this.#erasureKeys = secret.derive('imported-id')
    this.#findActive = prepareFindActive(database)
  }

  /** The user of this id, if active. */
  async find(userId: number): Promise<User | undefined> {
    const [user] = await this.#findActive.execute({ userId })
    return user
  }

  /** The user of this id. @throws Problem not_found */
  async get(userId: number): Promise<User> {
    const { db, tables } = this.#database
    const [user] = await db
      .select()
      .from(tables.users)
      .where(and(eq(tables.users.id, userId), isKept(tables)))
    if (user === undefined) throw new Problem('not_found')
    return user
  }

  /**
   * Deletes an account with all of its rows, and revokes its sessions. An account with many rows is closed at once,
   * which hides the rows, and they are deleted later.
   * @throws Problem not_found, last_admin, account_protected
   */
  async delete(userId: number, actor: Actor): Promise<void> {
    const { tables } = this.#database
    const isClosed = await this.#database.transaction(async (db) => {
      const admins = await lockAdmins(this.#database, db)
      const isOwn = actor.id === userId
      if (!isOwn) await assertManager(this.#database, db, actor)
      const { role } = await lockAccount(this.#database, db, userId, isOwn ? 'invalid_token' : 'not_found')
      if (isOwn) await assertSession(this.#database, db, actor)
      assertMayTouch(actor, role)
      assertNotLast(admins, userId)
      const isTooLarge = await isLarge(this.#database, db, userId)
      if (isTooLarge) await closeAccount(this.#database, db, userId)
      else await db.delete(tables.users).where(eq(tables.users.id, userId))
      await eraseImportedIds(this.#database, db, { userId, keys: this.#erasureKeys })
      await this.#access.end(db, { userId, extent: 'everything' })
      await this.#events.record({ type: 'user.deleted', userId, ...doneBy(actor) }, actor.client, db)
      return isTooLarge
    })
    // In the background. If the sweep fails or the process stops, the next prune continues.
    if (isClosed) void sweepClosedAccounts(this.#database).catch(() => {})
  }

  /**
   * Logs a user out everywhere, and deletes the one-time tokens that a thief may have requested.
   * @throws Problem not_found, account_protected
   */
  endSessions(userId: number, actor: Actor): Promise<void> {
    return this.#database.transaction(async (db) => {
      await assertManager(this.#database, db, actor)
      const { role } = await lockAccount(this.#database, db, userId)
      assertMayTouch(actor, role)
      const hasEnded = await this.#access.end(db, { userId, extent: 'sessions' })
      if (hasEnded) await this.#events.record({ type: 'sessions.ended', userId, ...doneBy(actor) }, actor.client, db)
    })
  }

  /** As `endSessions`, for the user's own account and all sessions but this one. @throws Problem invalid_token */
  endOtherSessions(userId: number, sessionId: string, client: Client): Promise<void> {
    return this.#database.transaction(async (db) => {
      await lockOwnAccount(this.#database, db, { id: userId, sessionId })
      const hasEnded = await this.#access.end(db, { userId, extent: 'sessions', except: sessionId })
      if (hasEnded) await this.#events.record({ type: 'sessions.ended', userId, sessionId }, client, db)
    })
  }
}

function prepareFindActive({ db, tables: { users } }: Database) {
  return db
    .select()
    .from(users)
    .where(and(eq(users.id, sql.placeholder('userId')), eq(users.isActive, true)))
    .prepare('find_active_user')
}
