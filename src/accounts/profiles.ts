import { and, eq, ne, sql } from 'drizzle-orm'
import type { AccountOwner } from '../audit/actors.js'
import type { Events } from '../audit/events.js'
import { type Database, type Db, sole } from '../database/database.js'
import { Problem } from '../problems.js'
import { normalizeName } from './names.js'
import { type Notices, notifyFormerAddress } from './notices.js'
import type { OneTimeTokens } from './one-time-tokens.js'
import { isSame, lockOwnAccount, NO_PENDING_EMAIL, type User } from './user-rows.js'

/** The columns that users change in their own accounts. */
type Profile = Pick<User, 'username' | 'usernameKey' | 'email' | 'emailKey' | 'name' | 'nameKey' | 'locale'>
type Pending = Pick<User, 'pendingEmail' | 'pendingEmailKey'>
/** `NO_PENDING_EMAIL` withdraws a pending address. */
type Wish = Partial<Profile & typeof NO_PENDING_EMAIL>

interface Dependencies {
  database: Database
  events: Events
  notices: Notices
  oneTimeTokens: OneTimeTokens
}

/** Changes names, addresses and languages of accounts. */
export class Profiles {
  readonly #database: Database
  readonly #events: Events
  readonly #notices: Notices
  readonly #oneTimeTokens: OneTimeTokens

  constructor({ database, events, notices, oneTimeTokens }: Dependencies) {
    this.#database = database
    this.#events = events
    this.#notices = notices
    this.#oneTimeTokens = oneTimeTokens
  }

  /**
   * Changes a profile. Values that are unchanged change and record nothing. If mail is on, a new address is pending
   * until it is confirmed, even if another account has it.
   * @throws Problem validation_failed if no name would be left to log in with, username_taken, email_taken,
   * invalid_token if the user is gone
   */
  update(owner: AccountOwner, wanted: Wish): Promise<User> {
    const { tables, now } = this.#database
    const { id: userId, client } = owner
    return this.#database.transaction(async (db) => {
      const before = await lockOwnAccount(this.#database, db, owner)
      const changes: Partial<Profile & Pending> = this.#isToBeProved(before, wanted) ? pending(wanted) : wanted
      if (changes !== wanted) await this.#mail(db, { userId, address: wanted.email ?? '' }, owner)
      const after = { ...before, ...changes }
      if (after.usernameKey === null && after.emailKey === null) {
        const path = changes.usernameKey === null ? '/username' : '/email'
        const errors = [{ in: 'body', path, message: 'a user name or an e-mail address must stay' }]
        throw new Problem('validation_failed', { errors })
      }
      if (isSame(before, after)) return before
      const folded = changes.email ? normalizeName(changes.email) : null
      // The unique index compares keys; older rows may store such an address under its folded form.
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
      await this.#events.record({ type: 'user.updated', userId, actorId: userId }, client, db)
      if (before.emailKey !== after.emailKey) await notifyFormerAddress(this.#notices, db, before)
      if (changes === wanted && wanted.pendingEmail === null) await this.#withdraw(db, before, owner)
      return updated
    })
  }

  /** Withdraws the pending address, and deletes the token of its mail. */
  async #withdraw(db: Db, { id: userId, emailKey, pendingEmailKey }: User, actor: AccountOwner): Promise<void> {
    if (pendingEmailKey === null) return
    // If the account has an address, an `email_verification` token may be for that address, so it stays.
    await this.#oneTimeTokens.deleteOf(db, userId, [emailKey === null ? 'email_verification' : 'email_change'])
    await this.#events.record({ type: 'email.withdrawn', userId, actorId: actor.id }, actor.client, db)
  }

  #isToBeProved({ emailKey }: User, { email, emailKey: wanted }: Partial<Profile>): boolean {
    return this.#notices.isOn && Boolean(email) && wanted !== emailKey
  }

  /** Takes from the mail budgets: otherwise an account could send mails to any address. */
  #mail(db: Db, { userId, address }: { userId: number; address: string }, { client }: AccountOwner): Promise<void> {
    const mail = { purpose: 'email_change', userId, address } as const
    return client === undefined ? this.#notices.write(db, mail) : this.#notices.requestWithin(db, mail, client.ip)
  }

  /** A new address is unconfirmed, and log-ins in progress under the old one begin no session. */
  get #ofNewAddress() {
    const { users } = this.#database.tables
    return { emailVerifiedAt: null, ...NO_PENDING_EMAIL, authVersion: sql`${users.authVersion} + 1` }
  }
}

/**
 * The values that differ from those of the account. Forms send back what they read, and the names of imports and
 * tutorials need not follow the rules for new names.
 */
export function changedFrom<Wanted extends Partial<Profile>>(before: User, wanted: Wanted): Partial<Wanted> {
  const entries = Object.entries(wanted).filter(([name, value]) => value !== before[name as keyof Profile])
  return Object.fromEntries(entries) as Partial<Wanted>
}

/** The same changes, with the address as pending. */
function pending({ email = null, emailKey = null, ...others }: Partial<Profile>): Partial<Profile & Pending> {
  return { ...others, pendingEmail: email, pendingEmailKey: emailKey }
}
