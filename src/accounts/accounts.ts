import { and, eq, ne, sql } from 'drizzle-orm'
import type { Event, Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import { type Database, type Db, sole } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Role } from '../tokens/access-tokens.js'
import { rolesIn } from '../tokens/roles.js'
import type { Secret } from '../tokens/secret.js'
import { closeAccount, isLarge, sweepClosedAccounts } from './closed-accounts.js'
import { eraseImportedIds } from './imported-ids.js'
import { fold } from './names.js'
import type { Notices } from './notices.js'
import type { PasswordResets } from './password-resets.js'
import { isKept, lockUser, type User } from './user-rows.js'

/** What people change of their own account. */
type Profile = Pick<User, 'username' | 'usernameKey' | 'email' | 'emailKey' | 'name' | 'nameKey' | 'locale'>

/** Who asks for a change: an admin or the user, by id; null for the command line. */
export interface Actor {
  id: number | null
  client?: Client
}

interface Dependencies {
  database: Database
  secret: Secret
  sessions: Sessions
  events: Events
  resets: PasswordResets
  notices: Notices
}

/**
 * What admins and the command line do to accounts, and people to their own. Each act is a transaction with its event: what
 * cannot be recorded does not happen. One admin always stays.
 */
export class Users {
  readonly resets: PasswordResets
  readonly #database: Database
  readonly #sessions: Sessions
  readonly #events: Events
  readonly #notices: Notices
  readonly #erasureKeys: readonly Buffer[]

  constructor({ database, secret, sessions, events, resets, notices }: Dependencies) {
    this.resets = resets
    this.#database = database
    this.#sessions = sessions
    this.#events = events
    this.#notices = notices
    this.#erasureKeys = secret.derive('imported-id')
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
   * Changes how a user is called. Values that are in force already change and record nothing.
   * @throws Problem validation_failed when nothing would be left to log in with, username_taken, email_taken, invalid_token
   * when there is no such user any more
   */
  update(userId: number, changes: Partial<Profile>, actor: Actor): Promise<User> {
    const { tables, now } = this.#database
    return this.#database.transaction(async (db) => {
      const before = await this.#lock(db, userId, 'invalid_token')
      const after = { ...before, ...changes }
      if (after.usernameKey === null && after.emailKey === null) {
        const path = changes.usernameKey === null ? '/username' : '/email'
        const errors = [{ in: 'body', path, message: 'a user name or an e-mail address must stay' }]
        throw new Problem('validation_failed', { errors })
      }
      if (isSame(before, after)) return before
      const folded = changes.email ? fold(changes.email) : null
      // The database compares keys; older rows may be stored under the folded form of such an address.
      if (folded !== null && folded !== changes.emailKey) {
        const taken = await db.$count(tables.users, and(eq(tables.users.emailKey, folded), ne(tables.users.id, userId)))
        if (taken > 0) throw new Problem('email_taken')
      }
      const updated = sole(
        await db
          .update(tables.users)
          .set({ ...changes, ...(before.emailKey !== after.emailKey && this.#ofNewAddress), updatedAt: now })
          .where(eq(tables.users.id, userId))
          .returning(),
      )
      await this.#record(db, { type: 'user.updated' }, userId, actor)
      if (before.emailKey !== after.emailKey) await this.#notices.notify(db, 'email_changed', before)
      return updated
    })
  }

  /**
   * Changes the role, the roles (as stored) and the status. Whoever is demoted, loses one of the roles or is disabled is logged
   * out everywhere, and the reset tokens of and by them are void. @throws Problem not_found, last_admin
   */
  change(userId: number, changes: { role?: Role; roles?: string; isActive?: boolean }, actor: Actor): Promise<User> {
    const { tables, now } = this.#database
    return this.#database.transaction(async (db) => {
      const admins = await this.#lockAdmins(db)
      assertAdmin(admins, actor)
      const before = await this.#lock(db, userId)
      const staysAdmin = (changes.role ?? before.role) === 'admin' && (changes.isActive ?? before.isActive)
      if (!staysAdmin) assertNotLast(admins, userId)
      if (isSame(before, { ...before, ...changes })) return before
      const after = sole(
        await db
          .update(tables.users)
          .set({ ...changes, authVersion: sql`${tables.users.authVersion} + 1`, updatedAt: now })
          .where(eq(tables.users.id, userId))
          .returning(),
      )
      if (loses(before, after)) {
        await this.#sessions.revokeAll(db, userId)
        await this.resets.deleteOf(db, userId)
        await this.resets.deleteMadeBy(db, userId)
      }
      for (const event of eventsOf(before, after)) await this.#record(db, event, userId, actor)
      return after
    })
  }

  /**
   * Deletes an account and all that belongs to it, and ends its sessions. Where that is much, the account is closed at once,
   * and nobody can see its rows until they are gone too.
   * @throws Problem not_found, last_admin
   */
  async delete(userId: number, actor: Actor): Promise<void> {
    const { tables } = this.#database
    const isClosed = await this.#database.transaction(async (db) => {
      const admins = await this.#lockAdmins(db)
      const isOwn = actor.id === userId
      if (!isOwn) assertAdmin(admins, actor)
      assertNotLast(admins, userId)
      await this.#lock(db, userId, isOwn ? 'invalid_token' : 'not_found')
      const isTooLarge = await isLarge(this.#database, db, userId)
      if (isTooLarge) await closeAccount(this.#database, db, userId)
      else await db.delete(tables.users).where(eq(tables.users.id, userId))
      await eraseImportedIds(this.#database, db, { userId, keys: this.#erasureKeys })
      await this.#sessions.revokeAll(db, userId)
      await this.resets.deleteOf(db, userId)
      await this.resets.deleteMadeBy(db, userId)
      await this.#record(db, { type: 'user.deleted' }, userId, actor)
      return isTooLarge
    })
    // Nobody waits for it; what fails, or is cut off by the end of the process, is for the next prune.
    if (isClosed) void sweepClosedAccounts(this.#database).catch(() => {})
  }

  /**
   * Makes a token that sets a new password, once and within the hour; it is known to nobody but who gets it here. Admins make
   * none for themselves, whose password needs the old one, and none for each other.
   * @throws Problem not_found, account_protected
   */
  createPasswordReset(userId: number, actor: Actor): Promise<{ token: string; expiresAt: number }> {
    return this.#database.transaction(async (db) => {
      await this.#assertAdmin(db, actor)
      if (actor.id === userId) throw new Problem('account_protected', { detail: 'Use POST /v1/me/password.' })
      const user = await this.#lock(db, userId)
      if (actor.id !== null && user.role === 'admin') {
        const detail = 'The password of an admin is reset on the command line: latchkey users reset-password <who>.'
        throw new Problem('account_protected', { detail })
      }
      const made = await this.resets.create(db, userId, actor.id)
      await this.#record(db, { type: 'password_reset.created' }, userId, actor)
      return made
    })
  }

  /** Deletes reset tokens that have expired. */
  prune(signal?: AbortSignal): Promise<void> {
    return this.resets.prune(signal)
  }

  /** Logs a user out everywhere, and makes their reset token void. @throws Problem not_found */
  endSessions(userId: number, actor: Actor): Promise<void> {
    return this.#database.transaction(async (db) => {
      await this.#assertAdmin(db, actor)
      await this.#lock(db, userId)
      const hasEnded = await this.#logOut(db, userId)
      if (hasEnded) await this.#record(db, { type: 'sessions.ended' }, userId, actor)
    })
  }

  /** Logs a user out everywhere but in this session, and makes their reset token void. @throws Problem invalid_token */
  endOtherSessions(userId: number, sessionId: string, client: Client): Promise<void> {
    return this.#database.transaction(async (db) => {
      await this.#lock(db, userId, 'invalid_token')
      const hasEnded = await this.#logOut(db, userId, sessionId)
      if (hasEnded) await this.#events.record({ type: 'sessions.ended', userId, sessionId }, client, db)
    })
  }

  /** Resolves to whether there was anything to end. */
  async #logOut(db: Db, userId: number, except = ''): Promise<boolean> {
    const hadSessions = await this.#sessions.revokeAll(db, userId, { except })
    const hadToken = await this.resets.deleteOf(db, userId)
    return hadSessions || hadToken
  }

  /**
   * Another process may honour an admin's token for a second after the role is gone. The database is asked, or they could
   * promote themselves again.
   */
  async #assertAdmin(db: Db, { id }: Actor): Promise<void> {
    if (id === null) return
    const { users } = this.#database.tables
    const isAdmin = and(eq(users.id, id), eq(users.role, 'admin'), eq(users.isActive, true))
    if ((await db.$count(users, isAdmin)) === 0) throw new Problem('invalid_token')
  }

  /**
   * Locks the rows of all admins until the end of the transaction, and resolves to the ids of those that are active. A
   * statement that waited for another transaction returns only those that were admins before it, so it is repeated until it
   * returns the same rows again.
   */
  async #lockAdmins(db: Db): Promise<number[]> {
    const { forUpdate, tables } = this.#database
    const { users } = tables
    const select = () =>
      db
        .select({ id: users.id, isActive: users.isActive })
        .from(users)
        .where(eq(users.role, 'admin'))
        .orderBy(sql`${users.id} ${forUpdate}`)
    for (let before = ''; ; ) {
      const admins = await select()
      const after = JSON.stringify(admins)
      if (after === before) return admins.filter(({ isActive }) => isActive).map(({ id }) => id)
      before = after
    }
  }

  async #lock(db: Db, userId: number, missing: 'not_found' | 'invalid_token' = 'not_found'): Promise<User> {
    const user = await lockUser(this.#database, db, userId)
    if (user === undefined) throw new Problem(missing)
    return user
  }

  /** What another address means beside itself: nobody has proved it, and log-ins under the old one begin no session. */
  get #ofNewAddress() {
    const { users } = this.#database.tables
    return { emailVerifiedAt: null, pendingEmail: null, authVersion: sql`${users.authVersion} + 1` }
  }

  #record(db: Db, event: Pick<Event, 'type' | 'reason'>, userId: number, actor: Actor): Promise<void> {
    return this.#events.record({ ...event, userId, actorId: actor.id }, actor.client, db)
  }
}

function assertAdmin(admins: number[], { id }: Actor): void {
  if (id !== null && !admins.includes(id)) throw new Problem('invalid_token')
}

function assertNotLast(admins: number[], userId: number): void {
  if (admins.length === 1 && admins[0] === userId) throw new Problem('last_admin')
}

function isSame(before: User, after: User): boolean {
  return Object.entries(after).every(([key, value]) => before[key as keyof User] === value)
}

function loses(before: User, after: User): boolean {
  const isDemoted = before.role === 'admin' && after.role !== 'admin'
  return (before.isActive && !after.isActive) || isDemoted || missingIn(after.roles, before.roles).length > 0
}

/** The roles of one text that are not in the other. */
function missingIn(other: string, roles: string): string[] {
  return rolesIn(roles).filter((role) => !rolesIn(other).includes(role))
}

function eventsOf(before: User, after: User): Pick<Event, 'type' | 'reason'>[] {
  return [
    ...(before.role === after.role
      ? []
      : [{ type: 'user.role_changed' as const, reason: `${before.role} to ${after.role}` }]),
    ...(before.roles === after.roles ? [] : [{ type: 'user.roles_changed' as const, reason: changeOf(before, after) }]),
    ...(before.isActive === after.isActive
      ? []
      : [{ type: after.isActive ? ('user.enabled' as const) : ('user.disabled' as const) }]),
  ]
}

/** Which roles were given and taken, in a few words. */
function changeOf(before: User, after: User): string {
  const given = missingIn(before.roles, after.roles).map((role) => `+${role}`)
  const taken = missingIn(after.roles, before.roles).map((role) => `-${role}`)
  return [...given, ...taken].join(' ')
}
