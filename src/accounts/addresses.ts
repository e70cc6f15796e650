import { and, eq, isNull, lt, ne, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { deleteInBatches } from '../database/batches.js'
import { type Database, type Db, sole } from '../database/database.js'
import { Problem } from '../problems.js'
import type { AccountAccess } from './account-access.js'
import { type Notices, notifyFormerAddress } from './notices.js'
import type { Grant, OneTimeTokens, Shown } from './one-time-tokens.js'
import { lockUser, NO_PENDING_EMAIL, type User } from './user-rows.js'

/** How long an account waits for its address to be confirmed where confirmation is required to log in. */
export const UNPROVEN_MS = 24 * 3_600_000
/** The mails that the page and the operation accept: confirmations of an address, and the undo of a change. */
const PURPOSES = ['email_verification', 'email_change', 'email_undo'] as const

interface Dependencies {
  config: Config
  database: Database
  access: AccountAccess
  oneTimeTokens: OneTimeTokens
  events: Events
  notices: Notices
}

/**
 * Confirms e-mail addresses. A confirmation needs the mail and the account: otherwise an attacker could register with
 * another person's address, and that person would confirm it by clicking the link.
 */
export class Addresses {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /** The grant of a token or code from a mail about an address. @throws Problem invalid_one_time_token */
  find(shown: Shown, client: Client): Promise<Grant> {
    return this.#dependencies.oneTimeTokens.find(PURPOSES, shown, client.ip)
  }

  /**
   * Confirms the address of the account; the session of the request stays valid. If the account had no confirmed
   * address before, all its other sessions and API keys are revoked: they may belong to another person who registered
   * with this address.
   * @throws Problem invalid_one_time_token, email_taken
   */
  confirm(grant: Grant, client: Client, sessionId?: string): Promise<void> {
    const { database, access, events, notices } = this.#dependencies
    const { target } = grant.row
    return database.transaction(async (db) => {
      const before = await this.#use(db, grant)
      const isPending = before.pendingEmailKey === target
      if (!isPending && before.emailKey !== target) throw new Problem('invalid_one_time_token')
      if (isPending) await this.#free(db, target, before.id)
      await this.#set(db, before.id, isPending ? { email: before.pendingEmail, emailKey: target } : {})
      const { id: userId, emailVerifiedAt } = before
      await access.end(db, { userId, extent: emailVerifiedAt === null ? 'keys' : 'requests', except: sessionId })
      await events.record({ type: 'email.verified', userId, ...(sessionId && { sessionId }) }, client, db)
      if (isPending && before.emailKey !== target) await notifyFormerAddress(notices, db, before)
    })
  }

  /**
   * "This was not me": takes the pending or unconfirmed address from the account, and deletes an account that was never
   * confirmed. The only name of an account stays as a pending address: an account without any name would be deleted.
   * @throws as `find`
   */
  decline(grant: Grant, client: Client): Promise<void> {
    const { database, access, events } = this.#dependencies
    const { users } = database.tables
    const { target } = grant.row
    return database.transaction(async (db) => {
      const before = await this.#use(db, grant)
      const { id, usernameKey, emailKey, pendingEmailKey } = before
      const isUnconfirmed = emailKey === target && before.emailVerifiedAt === null
      if (!isUnconfirmed && pendingEmailKey !== target) throw new Problem('invalid_one_time_token')
      if (before.unprovenUntil !== null) {
        await db.delete(users).where(eq(users.id, id))
        await access.end(db, { userId: id, extent: 'everything' })
      } else {
        const isOnlyName = [usernameKey, emailKey, pendingEmailKey].every((key) => key === null || key === target)
        const kept = { pendingEmail: before.email ?? before.pendingEmail, pendingEmailKey: target }
        const pending = isOnlyName ? kept : pendingEmailKey === target && NO_PENDING_EMAIL
        const changes = { ...(isUnconfirmed && { email: null, emailKey: null }), ...pending }
        await db.update(users).set(changes).where(eq(users.id, id))
        await access.end(db, { userId: id, extent: 'log-ins' })
      }
      await events.record({ type: 'email.declined', userId: id, actorId: null }, client, db)
    })
  }

  /** Restores the former address, and logs the account out everywhere. @throws as `find`, email_taken */
  undo(grant: Grant, client: Client): Promise<void> {
    const { database, access, events, notices } = this.#dependencies
    const { target } = grant.row
    return database.transaction(async (db) => {
      const before = await this.#use(db, grant)
      const { id } = before
      await this.#free(db, target, id)
      await this.#set(db, id, { email: target, emailKey: target })
      await access.end(db, { userId: id, extent: 'keys' })
      await events.record({ type: 'email.restored', userId: id, actorId: null }, client, db)
      if (before.emailKey !== target) await notices.notify(db, 'email_changed', before)
    })
  }

  /** Deletes accounts whose address was not proved in time. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { database } = this.#dependencies
    const { users: table } = database.tables
    await deleteInBatches(database, { table, key: table.id, where: lt(table.unprovenUntil, database.now), signal })
  }

  /** Locks the user before the token, like every transaction: another order could deadlock. */
  async #use(db: Db, grant: Grant): Promise<User> {
    const { database, oneTimeTokens } = this.#dependencies
    const user = await lockUser(database, db, grant.user.id)
    await oneTimeTokens.use(db, grant)
    if (user === undefined) throw new Problem('invalid_one_time_token')
    return user
  }

  /**
   * Where confirmation is optional, takes the address from an account that never confirmed it.
   * @throws Problem email_taken
   */
  async #free(db: Db, emailKey: string, userId: number): Promise<void> {
    const { config, database, access, events } = this.#dependencies
    const { users } = database.tables
    const isOthers = and(eq(users.emailKey, emailKey), ne(users.id, userId))
    const isUnproven = config.EMAIL_VERIFICATION === 'optional' ? isNull(users.emailVerifiedAt) : sql`1 = 0`
    const [loser] = await db
      .update(users)
      .set({
        email: null,
        emailKey: null,
        pendingEmail: users.email,
        pendingEmailKey: emailKey,
        updatedAt: database.now,
      })
      .where(and(isOthers, isUnproven))
      .returning({ id: users.id })
    if (loser === undefined) {
      if ((await db.$count(users, isOthers)) > 0) throw new Problem('email_taken')
      return
    }
    await access.end(db, { userId: loser.id, extent: 'everything' })
    await events.record({ type: 'email.lost', userId: loser.id, actorId: null }, undefined, db)
  }

  async #set(db: Db, userId: number, address: Partial<Pick<User, 'email' | 'emailKey'>>): Promise<void> {
    const { tables, now } = this.#dependencies.database
    const { users } = tables
    sole(
      await db
        .update(users)
        .set({
          ...address,
          ...NO_PENDING_EMAIL,
          emailVerifiedAt: now,
          unprovenUntil: null,
          updatedAt: now,
        })
        .where(eq(users.id, userId))
        .returning({ id: users.id }),
    )
  }
}
