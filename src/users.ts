import { createHash, randomBytes } from 'node:crypto'
import { and, count, eq, gt, isNotNull, lt, ne, not, or, type SQL, sql } from 'drizzle-orm'
import type { Role } from './access-tokens.js'
import { deleteInBatches } from './batches.js'
import type { Client } from './clients.js'
import { type Database, type Db, sole, type Tables } from './database.js'
import type { Event, Events } from './events.js'
import { fold } from './identifiers.js'
import { Problem } from './problems.js'
import type { Sessions } from './sessions.js'

const RESET_TOKEN_BYTES = 32
const RESET_LIFETIME_MS = 3_600_000
/** An account with more rows of a kind is closed at once, and its rows are deleted in batches. */
const ROWS_DELETED_AT_ONCE = 1_000

export type User = Tables['users']['$inferSelect']

type Names = Pick<User, 'username' | 'usernameKey' | 'email' | 'emailKey' | 'name' | 'nameKey'>

/** Who asks for a change: an admin or the user, by id; null for the command line. */
export interface Actor {
  id: number | null
  client?: Client
}

interface Dependencies {
  database: Database
  sessions: Sessions
  events: Events
}

/** What admins and the command line do to accounts, and people to their own. One admin always stays. */
export class Users {
  readonly #database: Database
  readonly #sessions: Sessions
  readonly #events: Events

  constructor({ database, sessions, events }: Dependencies) {
    this.#database = database
    this.#sessions = sessions
    this.#events = events
  }

  /** The user of this id. @throws Problem not_found */
  get(userId: number): Promise<User> {
    return this.#find(this.#database.db, userId)
  }

  /**
   * Changes how a user is called. @throws Problem validation_failed when nothing would be left to log in with,
   * username_taken, email_taken, invalid_token when there is no such user any more
   */
  async update(userId: number, changes: Partial<Names>, actor: Actor): Promise<User> {
    const { db, tables, now } = this.#database
    const { users } = tables
    const keeps = (key: 'usernameKey' | 'emailKey') =>
      changes[key] === undefined ? isNotNull(users[key]) : changes[key] === null ? sql`1 = 0` : sql`1 = 1`
    const folded = changes.email ? fold(changes.email) : null
    // The database compares keys; older rows may be stored under the folded form of such an address.
    if (folded !== null && folded !== changes.emailKey) {
      const taken = await db.$count(users, and(eq(users.emailKey, folded), ne(users.id, userId)))
      if (taken > 0) throw new Problem('email_taken')
    }
    const [updated] = await db
      .update(users)
      .set({ ...changes, updatedAt: now })
      .where(and(eq(users.id, userId), or(keeps('usernameKey'), keeps('emailKey'))))
      .returning()
    if (updated === undefined) {
      if ((await db.$count(users, eq(users.id, userId))) === 0) throw new Problem('invalid_token')
      const path = changes.usernameKey === null ? '/username' : '/email'
      const errors = [{ in: 'body', path, message: 'a user name or an e-mail address must stay' }]
      throw new Problem('validation_failed', { errors })
    }
    await this.#record({ type: 'user.updated' }, userId, actor)
    return updated
  }

  /**
   * Changes role and standing. Whoever is demoted or disabled is logged out everywhere.
   * @throws Problem not_found, last_admin
   */
  async change(userId: number, changes: { role?: Role; isActive?: boolean }, actor: Actor): Promise<User> {
    const { tables, now } = this.#database
    const { before, after } = await this.#database.transaction(async (db) => {
      await this.#lockAdmins(db)
      await this.#assertAdmin(db, actor)
      const before = await this.#find(db, userId)
      const staysAdmin = (changes.role ?? before.role) === 'admin' && (changes.isActive ?? before.isActive)
      if (!staysAdmin) await this.#assertNotLastAdmin(db, before)
      const [after = before] = await db
        .update(tables.users)
        .set({ ...changes, updatedAt: now })
        .where(eq(tables.users.id, userId))
        .returning()
      if (loses(before, after)) await this.#sessions.revokeAll(userId, { db })
      return { before, after }
    })
    for (const event of eventsOf(before, after)) await this.#record(event, userId, actor)
    return after
  }

  /**
   * Deletes an account and all that belongs to it, and ends its sessions. Where that is much, the account is closed at once,
   * and nobody can see its rows until they are gone too.
   * @throws Problem not_found, last_admin
   */
  async delete(userId: number, actor: Actor): Promise<void> {
    const { tables } = this.#database
    const isLarge = await this.#database.transaction(async (db) => {
      await this.#lockAdmins(db)
      const isOwn = actor.id === userId
      if (!isOwn) await this.#assertAdmin(db, actor)
      await this.#assertNotLastAdmin(db, await this.#find(db, userId, isOwn ? 'invalid_token' : 'not_found'))
      const isLarge = await this.#isLarge(db, userId)
      if (isLarge) await this.#close(db, userId)
      else await db.delete(tables.users).where(eq(tables.users.id, userId))
      await db
        .update(tables.importedIds)
        .set({ oldName: null })
        .where(and(eq(tables.importedIds.kind, 'user'), eq(tables.importedIds.newId, userId)))
      await this.#sessions.revokeAll(userId, { db })
      return isLarge
    })
    await this.#record({ type: 'user.deleted' }, userId, actor)
    // Nobody waits for it; what fails, or is cut off by the end of the process, is for the next prune.
    if (isLarge) void this.sweep().catch(() => {})
  }

  /**
   * Deletes the rows of closed accounts, and then the accounts. It takes as long as there are rows, and goes on where it was
   * ended by the signal or with the process.
   */
  async sweep(signal?: AbortSignal): Promise<void> {
    const { db, tables } = this.#database
    const closed = await db
      .select({ id: tables.users.id })
      .from(tables.users)
      .where(not(isKept(tables)))
    for (const { id } of closed) {
      for (const table of [tables.todos, tables.tutorials]) {
        await deleteInBatches(this.#database, { table, key: table.id, where: eq(table.userId, id), signal })
      }
      // Another process may be deleting the last batch still, or the signal has come.
      if (await this.#isLarge(db, id, 0)) continue
      await db.delete(tables.users).where(and(eq(tables.users.id, id), not(isKept(tables))))
    }
  }

  /** Whether an account has more rows than one statement should delete. */
  async #isLarge(db: Db, userId: number, rows = ROWS_DELETED_AT_ONCE): Promise<boolean> {
    const { todos, tutorials } = this.#database.tables
    for (const table of [todos, tutorials]) {
      const beyond = db.select({ id: table.id }).from(table).where(eq(table.userId, userId)).limit(1).offset(rows)
      if ((await beyond).length > 0) return true
    }
    return false
  }

  /** Takes everything away by which an account could be used, found or recognised; its rows go later. */
  async #close(db: Db, userId: number): Promise<void> {
    const { users, passwordResets } = this.#database.tables
    const names = { username: null, usernameKey: null, email: null, emailKey: null, name: null, nameKey: null }
    await db
      .update(users)
      .set({ ...names, passwordHash: '', role: 'user', isActive: false })
      .where(eq(users.id, userId))
    await db.delete(passwordResets).where(eq(passwordResets.userId, userId))
  }

  /** Makes a token that sets a new password, once and within the hour; it is known to nobody but who gets it here. */
  async createPasswordReset(userId: number, actor: Actor): Promise<{ token: string; expiresAt: number }> {
    const { db, tables, now } = this.#database
    await this.#assertAdmin(db, actor)
    await this.get(userId)
    const token = randomBytes(RESET_TOKEN_BYTES).toString('base64url')
    const row = sole(
      await db
        .insert(tables.passwordResets)
        .values({ tokenHash: hashOf(token), userId, createdAt: now, expiresAt: sql`${now} + ${RESET_LIFETIME_MS}` })
        .returning(),
    )
    await this.#record({ type: 'password_reset.created' }, userId, actor)
    return { token, expiresAt: row.expiresAt }
  }

  /** Whose reset token this is, while it is good. @throws Problem invalid_reset_token */
  async findByReset(token: string): Promise<User> {
    const { db, tables, now } = this.#database
    const { users, passwordResets } = tables
    const [row] = await db
      .select({ user: users })
      .from(passwordResets)
      .innerJoin(users, and(eq(users.id, passwordResets.userId), eq(users.isActive, true)))
      .where(and(eq(passwordResets.tokenHash, hashOf(token)), gt(passwordResets.expiresAt, now)))
    if (row === undefined) throw new Problem('invalid_reset_token')
    return row.user
  }

  /** Uses a reset token up. Of several uses at once one succeeds. @throws Problem invalid_reset_token */
  async consumeReset(token: string): Promise<void> {
    const { db, tables } = this.#database
    const { passwordResets } = tables
    const used = await db
      .delete(passwordResets)
      .where(eq(passwordResets.tokenHash, hashOf(token)))
      .returning()
    if (used.length === 0) throw new Problem('invalid_reset_token')
  }

  /** Deletes reset tokens that have expired. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { passwordResets: table } = this.#database.tables
    const where = lt(table.expiresAt, this.#database.now)
    await deleteInBatches(this.#database, { table, key: table.tokenHash, where, signal })
  }

  /** Logs a user out everywhere. @throws Problem not_found */
  async endSessions(userId: number, actor: Actor): Promise<void> {
    await this.#assertAdmin(this.#database.db, actor)
    await this.get(userId)
    await this.#sessions.revokeAll(userId)
    await this.#record({ type: 'sessions.ended' }, userId, actor)
  }

  /** A token outlives its user's role by up to a second elsewhere: in it, nobody may give the role back to themselves. */
  async #assertAdmin(db: Db, { id }: Actor): Promise<void> {
    if (id === null) return
    const { users } = this.#database.tables
    const isAdmin = and(eq(users.id, id), eq(users.role, 'admin'), eq(users.isActive, true))
    if ((await db.$count(users, isAdmin)) === 0) throw new Problem('invalid_token')
  }

  /**
   * Locks the rows of all admins until the end of the transaction. A statement that waited for another transaction returns
   * only those that were admins before it, so it is repeated until it returns the same rows again.
   */
  async #lockAdmins(db: Db): Promise<void> {
    const { forUpdate, tables } = this.#database
    const { users } = tables
    const select = () =>
      db.select({ id: users.id }).from(users).where(eq(users.role, 'admin')).orderBy(sql`${users.id} ${forUpdate}`)
    let before: string
    let after = ''
    do {
      before = after
      after = JSON.stringify(await select())
    } while (after !== before)
  }

  async #find(db: Db, userId: number, missing: 'not_found' | 'invalid_token' = 'not_found'): Promise<User> {
    const { users } = this.#database.tables
    const [user] = await db
      .select()
      .from(users)
      .where(and(eq(users.id, userId), isKept(this.#database.tables)))
    if (user === undefined) throw new Problem(missing)
    return user
  }

  async #assertNotLastAdmin(db: Db, user: User): Promise<void> {
    if (user.role !== 'admin' || !user.isActive) return
    const { users } = this.#database.tables
    const [admins] = await db
      .select({ count: count() })
      .from(users)
      .where(and(eq(users.role, 'admin'), eq(users.isActive, true)))
    if (Number(admins?.count) <= 1) throw new Problem('last_admin')
  }

  async #record(event: Pick<Event, 'type' | 'reason'>, userId: number, actor: Actor): Promise<void> {
    await this.#events.record({ ...event, userId, actorId: actor.id }, actor.client)
  }
}

/** Every account has a name or an address, but those that are closed and wait for their rows to be deleted. */
export function isKept({ users }: Tables): SQL {
  return sql`(${users.usernameKey} is not null or ${users.emailKey} is not null)`
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

function loses(before: User, after: User): boolean {
  return (before.isActive && !after.isActive) || (before.role === 'admin' && after.role !== 'admin')
}

function eventsOf(before: User, after: User): Pick<Event, 'type' | 'reason'>[] {
  return [
    ...(before.role === after.role
      ? []
      : [{ type: 'user.role_changed' as const, reason: `${before.role} to ${after.role}` }]),
    ...(before.isActive === after.isActive
      ? []
      : [{ type: after.isActive ? ('user.enabled' as const) : ('user.disabled' as const) }]),
  ]
}
