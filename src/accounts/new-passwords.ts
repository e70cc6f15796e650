import { and, eq } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Database, Db } from '../database/database.js'
import { type ShownCode, wrongFactor } from '../factors/factors.js'
import type { Passwords } from '../passwords/passwords.js'
import type { PasswordRules } from '../passwords/rules.js'
import { Problem } from '../problems.js'
import type { AccountAccess } from './account-access.js'
import type { FactorChecks } from './factor-checks.js'
import { turnOfOwner } from './hash-turns.js'
import { namesOf } from './names.js'
import type { Notices } from './notices.js'
import type { Grant, OneTimeTokens, Shown } from './one-time-tokens.js'
import { lockOwnAccount, lockUser, type User } from './user-rows.js'

interface Dependencies {
  database: Database
  passwords: Passwords
  rules: PasswordRules
  access: AccountAccess
  oneTimeTokens: OneTimeTokens
  events: Events
  notices: Notices
  factorChecks: FactorChecks
}

interface Reset {
  password: string
  /** A second factor, if the account has one. */
  factor?: ShownCode | undefined
}

interface NewPassword {
  user: User
  /** The hash of the new password. */
  passwordHash: string
}

/**
 * Sets new passwords. Each way to do so revokes all sessions (except that of the change) and reset tokens, resets the
 * budget of wrong passwords (whose key contains the hash), and notifies the user by mail, all in one transaction with
 * the event.
 */
export class NewPasswords {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /**
   * The hash of a new password for this user. Operators pass no client.
   * @throws Problem password_rejected, which names the broken rule
   */
  async hash(user: User, password: string, client?: Client): Promise<string> {
    const { rules, passwords } = this.#dependencies
    await rules.assert(password, namesOf(user))
    return passwords.hash(password, client && turnOfOwner(client, user.id))
  }

  /**
   * Changes the password of a user who has just proved the current one. This session stays valid.
   * @throws Problem wrong_password if the password was changed meanwhile, invalid_token if the session has ended
   */
  change({ user, passwordHash }: NewPassword, sessionId: string, client: Client): Promise<void> {
    const { database, events } = this.#dependencies
    return database.transaction(async (db) => {
      await lockOwnAccount(database, db, { id: user.id, sessionId })
      await this.#set(db, { user, passwordHash }, sessionId)
      await events.record({ type: 'password.changed', userId: user.id, sessionId }, client, db)
    })
  }

  /**
   * Sets a new password by a token or code from a mail or an admin. If it was mailed, an account with a second factor
   * needs that factor too: access to the mailbox must not be enough. A rejected password or factor, or a full queue,
   * does not use the token up.
   * @throws Problem invalid_reset_token, mfa_required, wrong_code, too_many_attempts, password_rejected,
   * hashing_overloaded
   */
  async resetBy(shown: Shown, { password, factor }: Reset, client: Client): Promise<User> {
    const { oneTimeTokens } = this.#dependencies
    const grant = await oneTimeTokens.find(['password_reset'], shown, client.ip)
    const passwordHash = await this.#allow(grant, { password, factor }, client).catch(async (error) => {
      await oneTimeTokens.giveBack(grant)
      throw error
    })
    await this.reset(grant, passwordHash, client)
    return grant.user
  }

  /** The hash of the new password. Checks the factor last: its code can be used once. */
  async #allow({ user, row }: Grant, { password, factor }: Reset, client: Client): Promise<string> {
    const { factorChecks } = this.#dependencies
    const methods = row.target === '' ? [] : await factorChecks.methodsOf(user.id)
    if (methods.length === 0) return this.hash(user, password, client)
    if (factor === undefined) throw new Problem('mfa_required', { extension: { methods } })
    const passwordHash = await this.hash(user, password, client)
    const used = await factorChecks.check(user, factor, { client, owner: user, name: '' })
    if (used === undefined) throw wrongFactor(factor)
    return passwordHash
  }

  /** Uses up the reset token or code. Of two concurrent uses, one succeeds. @throws Problem invalid_reset_token */
  reset(grant: Grant, passwordHash: string, client: Client): Promise<void> {
    const { database, oneTimeTokens, events } = this.#dependencies
    const { id } = grant.user
    return database.transaction(async (db) => {
      // Every transaction locks the user before the token: another order could deadlock.
      const user = await lockUser(database, db, id)
      await oneTimeTokens.use(db, grant)
      const { target } = grant.row
      const isElsewhere = target !== '' && target !== user?.emailKey
      if (user === undefined || isElsewhere) throw new Problem('invalid_reset_token')
      await this.#set(db, { user, passwordHash })
      // The token came by mail, so the user reads the mail of this address: it is confirmed.
      if (target !== '') await this.#prove(db, id)
      await events.record({ type: 'password_reset.used', userId: id }, client, db)
    })
  }

  async #prove(db: Db, userId: number): Promise<void> {
    const { tables, now } = this.#dependencies.database
    await db.update(tables.users).set({ emailVerifiedAt: now }).where(eq(tables.users.id, userId))
  }

  /** Sets a password for an operator, whatever the current one is. @throws Problem not_found */
  overwrite({ user: { id }, passwordHash }: NewPassword): Promise<void> {
    const { database, events } = this.#dependencies
    return database.transaction(async (db) => {
      const user = await lockUser(database, db, id)
      if (user === undefined) throw new Problem('not_found')
      await this.#set(db, { user, passwordHash })
      await events.record({ type: 'password.changed', userId: id, actorId: null }, undefined, db)
    })
  }

  /** @throws Problem wrong_password if auth_version has changed since `user` was read */
  async #set(db: Db, { user, passwordHash }: NewPassword, except?: string): Promise<void> {
    const { database, access, notices } = this.#dependencies
    const { users } = database.tables
    const changed = await db
      .update(users)
      .set({ passwordHash, updatedAt: database.now })
      .where(and(eq(users.id, user.id), eq(users.authVersion, user.authVersion)))
      .returning({ id: users.id })
    if (changed.length === 0) throw new Problem('wrong_password')
    // API keys stay if the user proved the old password. After a reset they are revoked: a thief may have them.
    await access.end(db, { userId: user.id, extent: except === undefined ? 'keys' : 'sessions', except })
    await notices.notify(db, 'password_changed', user)
  }
}
