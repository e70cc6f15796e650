import { and, eq, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Config } from '../config/config.js'
import type { Database } from '../database/database.js'
import type { Passwords } from '../passwords/passwords.js'
import type { Turn } from '../passwords/queue.js'
import type { Accounts } from './accounts.js'
import { turnOf, turnOfOwner } from './hash-turns.js'
import type { Attempt, Reservation, Throttle } from './throttle.js'
import type { User } from './user-rows.js'

interface Dependencies {
  config: Config
  database: Database
  accounts: Accounts
  passwords: Passwords
  throttle: Throttle
  events: Events
}

/**
 * The second factor, once the password is right: not needed, right, wrong, not shown yet, or required but not enrolled.
 */
export type SecondStep = 'none' | 'right' | 'wrong' | 'missing' | 'unenrolled'

interface CheckOptions {
  /** Called once the password is right. */
  second?: (user: User, reservation: Reservation | undefined) => Promise<SecondStep>
}

export interface Checked {
  user: User
  step: Exclude<SecondStep, 'wrong'>
}

/** Verifies passwords within the budgets of wrong ones, and upgrades outdated hashes. */
export class PasswordChecks {
  readonly #config: Config
  readonly #accounts: Accounts
  readonly #passwords: Passwords
  readonly #throttle: Throttle
  readonly #events: Events
  readonly #setHash: ReturnType<typeof prepareSetHash>

  constructor({ config, database, accounts, passwords, throttle, events }: Dependencies) {
    this.#config = config
    this.#accounts = accounts
    this.#passwords = passwords
    this.#throttle = throttle
    this.#events = events
    this.#setHash = prepareSetHash(database)
  }

  /**
   * The user, if active and if the password is right. Takes a try from the budgets first, and returns it unless the
   * password or the second factor was wrong. A right password alone, where a factor is missing, does not reset the
   * budget. Without a user, one hash is computed too, so that the time is the same.
   * @throws Problem too_many_attempts, hashing_overloaded
   */
  async check(
    user: User | undefined,
    password: string,
    attempt: Attempt,
    { second = async () => 'none' }: CheckOptions = {},
  ): Promise<Checked | undefined> {
    const { client, owner, name, sessionId } = attempt
    const isConfirmed = sessionId !== undefined && owner !== undefined
    const turn = isConfirmed ? turnOfOwner(client, owner.id) : turnOf(client, `name:${name}`)
    const prove = async (reservation?: Reservation): Promise<Checked | undefined> => {
      const proven = await this.#prove(user, password, turn)
      const step = proven && (await second(proven, reservation))
      return proven === undefined || step === undefined || step === 'wrong' ? undefined : { user: proven, step }
    }
    if (!this.#config.LOGIN_THROTTLE) return prove()
    // Before the throttle: in a flood, each try that is refused anyway would otherwise cost two writes.
    this.#passwords.assertRoom(turn)
    const reservation = await this.#throttle.reserve(attempt)
    let checked: Checked | undefined
    try {
      checked = await prove(reservation)
    } catch (error) {
      await this.#throttle.release(reservation)
      throw error
    }
    if (checked?.step === 'missing' || checked?.step === 'unenrolled') await this.#throttle.release(reservation)
    else if (checked !== undefined) await this.#throttle.succeed(reservation)
    else if (reservation.isLast) {
      await this.#events.record({ type: 'account.locked', userId: owner?.id ?? null, actorId: null }, client)
    }
    return checked
  }

  async #prove(user: User | undefined, password: string, turn: Turn): Promise<User | undefined> {
    const { isRight, isOutdated } = await this.#passwords.verify(password, user?.passwordHash ?? undefined, turn)
    if (user === undefined || !isRight || !user.isActive) return undefined
    return isOutdated ? this.#upgrade(user, password, turn) : user
  }

  /** Hashes the password with the current algorithm and cost, unless the hash has changed meanwhile. */
  async #upgrade(user: User, password: string, turn: Turn): Promise<User | undefined> {
    const passwordHash = await this.#passwords.hash(password, turn)
    const [upgraded] = await this.#setHash.execute({ userId: user.id, old: user.passwordHash, passwordHash })
    // Another log-in has upgraded the hash, or the password was changed: verify against the stored hash.
    return upgraded ?? this.#prove(await this.#accounts.find(user.id), password, turn)
  }
}

function prepareSetHash({ db, tables: { users }, now }: Database) {
  return db
    .update(users)
    .set({ passwordHash: sql`${sql.placeholder('passwordHash')}`, updatedAt: now })
    .where(and(eq(users.id, sql.placeholder('userId')), eq(users.passwordHash, sql.placeholder('old'))))
    .returning()
    .prepare('set_password_hash')
}
