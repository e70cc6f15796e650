import { eq } from 'drizzle-orm'
import { type Actor, assertMayTouch, doneBy } from '../audit/actors.js'
import type { Event, Events } from '../audit/events.js'
import { type Database, sole } from '../database/database.js'
import { Problem } from '../problems.js'
import { assertManager } from '../sessions/actor-checks.js'
import type { Role } from '../tokens/access-tokens.js'
import { rolesIn } from '../tokens/roles.js'
import type { AccountAccess } from './account-access.js'
import { assertNotLast, lockAdmins } from './admins.js'
import type { Notices } from './notices.js'
import type { Issued, OneTimeTokens } from './one-time-tokens.js'
import { isSame, lockAccount, type User } from './user-rows.js'

interface Dependencies {
  database: Database
  access: AccountAccess
  events: Events
  oneTimeTokens: OneTimeTokens
  notices: Notices
}

/**
 * Changes that admins and the command line make to accounts. Each change shares a transaction with its audit event. The
 * last active admin cannot be removed.
 */
export class Administration {
  readonly #database: Database
  readonly #access: AccountAccess
  readonly #events: Events
  readonly #oneTimeTokens: OneTimeTokens
  readonly #notices: Notices

  constructor({ database, access, events, oneTimeTokens, notices }: Dependencies) {
    this.#database = database
    this.#access = access
    this.#events = events
    this.#oneTimeTokens = oneTimeTokens
    this.#notices = notices
  }

  /**
   * Changes the role, the roles (as stored) and the status. A user who is demoted, disabled or loses a role is logged
   * out everywhere; the user's API keys, and reset tokens for or by the user, are revoked.
   * @throws Problem not_found, last_admin, account_protected
   */
  change(userId: number, changes: { role?: Role; roles?: string; isActive?: boolean }, actor: Actor): Promise<User> {
    const { tables, now } = this.#database
    return this.#database.transaction(async (db) => {
      const admins = await lockAdmins(this.#database, db)
      await assertManager(this.#database, db, actor)
      const before = await lockAccount(this.#database, db, userId)
      for (const role of [before.role, changes.role ?? 'user']) assertMayTouch(actor, role)
      const staysAdmin = (changes.role ?? before.role) === 'admin' && (changes.isActive ?? before.isActive)
      if (!staysAdmin) assertNotLast(admins, userId)
      if (isSame(before, { ...before, ...changes })) return before
      const after = sole(
        await db
          .update(tables.users)
          .set({ ...changes, updatedAt: now })
          .where(eq(tables.users.id, userId))
          .returning(),
      )
      await this.#access.end(db, { userId, extent: loses(before, after) ? 'keys' : 'log-ins' })
      for (const event of eventsOf(before, after))
        await this.#events.record({ ...event, userId, ...doneBy(actor) }, actor.client, db)
      return after
    })
  }

  /**
   * Makes a token that sets a new password once, within the hour. If an admin asks, mail is on and the account has an
   * address, the token is mailed and the result is undefined. Admins cannot reset themselves, because a stolen admin
   * token would then be enough to change the password, nor each other. An OAuth client never receives a token: it could
   * take over any account.
   * @throws Problem not_found, account_protected, mail_disabled
   */
  createPasswordReset(userId: number, actor: Actor): Promise<Issued | undefined> {
    return this.#database.transaction(async (db) => {
      await assertManager(this.#database, db, actor)
      if (actor.id === userId)
        throw new Problem('account_protected', { detail: 'For your own account, use POST /v1/me/password.' })
      const user = await lockAccount(this.#database, db, userId)
      if (actor.id !== null && user.role === 'admin') {
        const detail = 'The password of an admin is reset on the command line: latchkey users reset-password <who>.'
        throw new Problem('account_protected', { detail })
      }
      const purpose = 'password_reset'
      const isMailed = actor.id !== null && this.#notices.isOn && user.email !== null
      if (actor.clientId !== undefined && !isMailed) throw refusalOfClient(this.#notices.isOn)
      const createdBy = actor.id ?? null
      const made = isMailed ? undefined : await this.#oneTimeTokens.create(db, { purpose, userId, createdBy })
      if (isMailed) await this.#notices.write(db, { purpose, userId, address: user.email ?? '' })
      await this.#events.record({ type: 'password_reset.created', userId, ...doneBy(actor) }, actor.client, db)
      return made
    })
  }
}

function refusalOfClient(isMailOn: boolean): Problem {
  if (!isMailOn) return new Problem('mail_disabled')
  return new Problem('account_protected', { detail: 'The account has no address to mail a reset token to.' })
}

function loses(before: User, after: User): boolean {
  const isDemoted = before.role === 'admin' && after.role !== 'admin'
  return (before.isActive && !after.isActive) || isDemoted || missingIn(after.roles, before.roles).length > 0
}

/** The roles in `roles` that are missing in `other`. */
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

/** The changed roles as text, such as `+editor -billing`. */
function changeOf(before: User, after: User): string {
  const given = missingIn(before.roles, after.roles).map((role) => `+${role}`)
  const taken = missingIn(after.roles, before.roles).map((role) => `-${role}`)
  return [...given, ...taken].join(' ')
}
