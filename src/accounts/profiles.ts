import { and, eq, ne, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import { type Database, sole } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Actor } from './admins.js'
import { normalizeName } from './names.js'
import type { Notices } from './notices.js'
import { isSame, lockAccount, type User } from './user-rows.js'

/** What people change of their own account. */
type Profile = Pick<User, 'username' | 'usernameKey' | 'email' | 'emailKey' | 'name' | 'nameKey' | 'locale'>

interface Dependencies {
  database: Database
  events: Events
  notices: Notices
}

/** How people are called, and where they are reached. */
export class Profiles {
  readonly #database: Database
  readonly #events: Events
  readonly #notices: Notices

  constructor({ database, events, notices }: Dependencies) {
    this.#database = database
    this.#events = events
    this.#notices = notices
  }

  /**
   * Changes how a user is called. Values that are in force already change and record nothing.
   * @throws Problem validation_failed when nothing would be left to log in with, username_taken, email_taken, invalid_token
   * when there is no such user any more
   */
  update(userId: number, changes: Partial<Profile>, actor: Actor): Promise<User> {
    const { tables, now } = this.#database
    return this.#database.transaction(async (db) => {
      const before = await lockAccount(this.#database, db, userId, 'invalid_token')
      const after = { ...before, ...changes }
      if (after.usernameKey === null && after.emailKey === null) {
        const path = changes.usernameKey === null ? '/username' : '/email'
        const errors = [{ in: 'body', path, message: 'a user name or an e-mail address must stay' }]
        throw new Problem('validation_failed', { errors })
      }
      if (isSame(before, after)) return before
      const folded = changes.email ? normalizeName(changes.email) : null
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
      await this.#events.record({ type: 'user.updated', userId, actorId: actor.id }, actor.client, db)
      if (before.emailKey !== after.emailKey) await this.#notices.notify(db, 'email_changed', before)
      return updated
    })
  }

  /** What another address means beside itself: nobody has proved it, and log-ins under the old one begin no session. */
  get #ofNewAddress() {
    const { users } = this.#database.tables
    return { emailVerifiedAt: null, pendingEmail: null, authVersion: sql`${users.authVersion} + 1` }
  }
}
