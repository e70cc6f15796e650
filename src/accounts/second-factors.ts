import type { RegistrationResponseJSON } from '@simplewebauthn/server'
import { eq } from 'drizzle-orm'
import { type AccountOwner, type Actor, doneBy } from '../audit/actors.js'
import type { Events } from '../audit/events.js'
import type { Config } from '../config/config.js'
import type { Database, Db } from '../database/database.js'
import { needsFactor } from '../database/factor-policy.js'
import type { Factor, Factors, Method } from '../factors/factors.js'
import type { Passkeys } from '../factors/passkeys.js'
import { base32, totpUri } from '../factors/totp.js'
import { Problem } from '../problems.js'
import { assertManager } from '../sessions/actor-checks.js'
import type { AccountAccess, Extent } from './account-access.js'
import type { Notices } from './notices.js'
import { identifierOf, lockAccount, lockOwnAccount, type User } from './user-rows.js'

/** The most second factors of one account. */
const FACTORS_MAX = 20

interface Dependencies {
  config: Config
  database: Database
  factors: Factors
  passkeys: Passkeys
  access: AccountAccess
  events: Events
  notices: Notices
}

/** A user with a session, or a user who adds the first factor during a log-in. */
interface Owner extends AccountOwner {
  /** Instead of a session: the auth_version at which the first factor was proved. */
  authVersion?: number
}

/** A passkey that was verified. */
type NewPasskey = Awaited<ReturnType<Passkeys['verifyNew']>>

interface Change {
  user: User
  actor: Actor & Pick<Owner, 'sessionId' | 'authVersion'>
  notice: keyof typeof EVENTS
  /** What the change revokes. */
  extent?: Extent
}

/**
 * Adds and removes second factors. Each change shares a transaction with its event, raises auth_version, so that
 * log-ins in progress fail, and notifies the owner by mail.
 */
export class SecondFactors {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Begins a TOTP factor, which is inactive until its first code confirms it.
   * @throws Problem mfa_disabled, too_many_factors, invalid_token
   */
  begin(owner: Owner, { name, issuer }: { name: string | null; issuer: string }) {
    const { database, factors } = this.#dependencies
    return database.transaction(async (db) => {
      const user = await lockOwnAccount(database, db, owner)
      await this.#withRoom(owner, db)
      const { id, secret } = await factors.begin(db, owner.id, name)
      return { id, secret: base32(secret), uri: totpUri(secret, { issuer, account: identifierOf(user) }) }
    })
  }

  /**
   * Confirms the TOTP factor that was begun. The first factor revokes all other sessions, which have not shown it; API
   * keys stay, as when the owner sets a new password. Resolves to new recovery codes, or to none if the account has
   * some.
   * @throws Problem wrong_code, invalid_token
   */
  confirm(owner: Owner, code: string): Promise<string[]> {
    return this.#dependencies.database.transaction((db) => this.confirmWithin(db, owner, code))
  }

  /** As `confirm`, within the transaction of `db`. */
  async confirmWithin(db: Db, owner: Owner, code: string): Promise<string[]> {
    const { database, factors } = this.#dependencies
    const user = await lockOwnAccount(database, db, owner)
    const methods = await factors.methodsOf(owner.id, db)
    if ((await factors.confirm(db, owner.id, code)) === undefined) throw new Problem('wrong_code')
    return this.#added(db, { user, owner, methods })
  }

  /**
   * Options for `navigator.credentials.create`.
   * @throws Problem passkeys_unavailable, too_many_factors, invalid_token, mfa_disabled
   */
  async passkeyOptions(owner: Owner, serviceName: string) {
    const { database, passkeys } = this.#dependencies
    const own = await this.#withRoom(owner)
    const { users } = database.tables
    const [user] = await database.db.select().from(users).where(eq(users.id, owner.id))
    if (user === undefined) throw new Problem('invalid_token')
    const name = identifierOf(user)
    return passkeys.creationOptions({ ...holderOf(owner), name, displayName: user.name ?? name }, own, serviceName)
  }

  /**
   * Adds a passkey. The first factor of an account revokes all other sessions. Makes recovery codes if there are none.
   * @throws Problem passkey_rejected, passkeys_unavailable, mfa_disabled, too_many_factors, invalid_token
   */
  async addPasskey(owner: Owner, { name, response }: { name: string | null; response: RegistrationResponseJSON }) {
    const made = await this.verifyNew(owner, response)
    return this.#dependencies.database.transaction((db) => this.addWithin(db, owner, { name, made }))
  }

  /**
   * Verifies the answer to `passkeyOptions`, for `addWithin`.
   * @throws Problem passkey_rejected, passkeys_unavailable
   */
  verifyNew(owner: Owner, response: RegistrationResponseJSON): Promise<NewPasskey> {
    return this.#dependencies.passkeys.verifyNew(holderOf(owner), response)
  }

  /** As `addPasskey`, for a verified passkey, within the transaction of `db`. */
  async addWithin(db: Db, owner: Owner, { name, made }: { name: string | null; made: NewPasskey }) {
    const { database, factors, passkeys } = this.#dependencies
    const user = await lockOwnAccount(database, db, owner)
    await this.#withRoom(owner, db)
    const methods = await factors.methodsOf(owner.id, db)
    const id = await passkeys.add(db, made, { userId: owner.id, name })
    return { id, recoveryCodes: await this.#added(db, { user, owner, methods }) }
  }

  /**
   * Removes a factor, except the last one of an account that must have one.
   * @throws Problem not_found, last_factor, invalid_token
   */
  remove(owner: Owner, id: string): Promise<void> {
    const { config, database, factors } = this.#dependencies
    return database.transaction(async (db) => {
      const user = await lockOwnAccount(database, db, owner)
      const removed = await factors.remove(db, owner.id, id)
      if (removed.length === 0) throw new Problem('not_found')
      const isLast = (await factors.methodsOf(owner.id, db)).length === 0
      if (isLast && needsFactor(config.MFA, user.role)) throw new Problem('last_factor')
      await this.#changed(db, { user, actor: owner, notice: 'factor_removed' })
    })
  }

  /** Replaces all recovery codes. @throws Problem no_factor, invalid_token */
  replaceRecoveryCodes(owner: Owner): Promise<string[]> {
    const { database, factors } = this.#dependencies
    return database.transaction(async (db) => {
      const user = await lockOwnAccount(database, db, owner)
      if ((await factors.methodsOf(owner.id, db)).length === 0) throw new Problem('no_factor')
      await this.#changed(db, { user, actor: owner, notice: 'recovery_codes_replaced' })
      return factors.replaceRecoveryCodes(db, owner.id)
    })
  }

  /**
   * Removes all factors of a user who has lost them, and revokes the user's sessions and API keys. Admins cannot remove
   * their own, because a stolen token would be enough, nor those of another admin. Resolves to the removed factors.
   * @throws Problem not_found, account_protected
   */
  removeAll(userId: number, actor: Actor): Promise<Factor[]> {
    const { database, factors } = this.#dependencies
    return database.transaction(async (db) => {
      await assertManager(database, db, actor)
      if (actor.id === userId)
        throw new Problem('account_protected', { detail: 'For your own account, use DELETE /v1/me/factors/{id}.' })
      const user = await lockAccount(database, db, userId)
      if (actor.id !== null && user.role === 'admin') {
        const detail = 'The factors of an admin are removed on the command line: latchkey users remove-factors <who>.'
        throw new Problem('account_protected', { detail })
      }
      const removed = await factors.remove(db, userId)
      if (removed.length === 0) return []
      await this.#changed(db, { user, actor, notice: 'factor_removed', extent: 'keys' })
      return removed
    })
  }

  /** The factors of a user who may add another. @throws Problem mfa_disabled, too_many_factors */
  async #withRoom({ id }: Owner, db?: Db): Promise<Factor[]> {
    if (this.#dependencies.config.MFA === 'off') throw new Problem('mfa_disabled')
    const own = await this.#dependencies.factors.list(id, db)
    if (own.length >= FACTORS_MAX) throw new Problem('too_many_factors')
    return own
  }

  /**
   * Revokes access and makes recovery codes after a factor was added; `methods` are those before. Resolves to new
   * recovery codes, if any.
   */
  async #added(db: Db, { user, owner, methods }: { user: User; owner: Owner; methods: Method[] }): Promise<string[]> {
    const { factors } = this.#dependencies
    const extent = methods.length === 0 ? 'sessions' : 'log-ins'
    await this.#changed(db, { user, actor: owner, notice: 'factor_added', extent })
    return methods.includes('recovery_code') ? [] : factors.replaceRecoveryCodes(db, owner.id)
  }

  async #changed(db: Db, { user, actor, notice, extent = 'log-ins' }: Change) {
    const { database, access, events, notices } = this.#dependencies
    const { users } = database.tables
    await db.update(users).set({ updatedAt: database.now }).where(eq(users.id, user.id))
    await access.end(db, { userId: user.id, extent, except: actor.sessionId })
    const { sessionId, authVersion, client } = actor
    const isAtLogIn = authVersion !== undefined
    await events.record(
      {
        type: EVENTS[notice],
        userId: user.id,
        ...doneBy(actor),
        ...(sessionId && { sessionId }),
        ...(isAtLogIn && { reason: 'in a log-in' }),
      },
      client,
      db,
    )
    await notices.notify(db, notice, user)
  }
}

/** The holder of a passkey. A passkey that is made in one session or log-in is not accepted in another. */
function holderOf({ id, sessionId, authVersion }: Owner) {
  return { id, occasion: sessionId ?? `log-in:${authVersion}` }
}

const EVENTS = {
  factor_added: 'factor.added',
  factor_removed: 'factor.removed',
  recovery_codes_replaced: 'recovery_codes.replaced',
} as const
