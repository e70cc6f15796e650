import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { type Database, type Db, within } from '../database/database.js'
import type { Factors, Method, ShownFactor, UsedFactor } from '../factors/factors.js'
import type { Notices } from './notices.js'
import { type Attempt, MANY_TRIES, type Reservation, type Throttle } from './throttle.js'
import type { User } from './user-rows.js'
import { prepareTake } from './window-budgets.js'

/** A user who tries codes knows the password. The owner is notified from this many wrong codes on, once a day. */
const NOTICE_FROM_TRIES = 5
const NOTICE_EVERY_MS = 24 * 3_600_000

interface Dependencies {
  config: Config
  database: Database
  factors: Factors
  throttle: Throttle
  events: Events
  notices: Notices
}

/** Verifies second factors, within the budgets of wrong passwords. */
export class FactorChecks {
  readonly #dependencies: Dependencies
  readonly #takeNotice: ReturnType<typeof prepareTake>

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
    this.#takeNotice = prepareTake(dependencies.database, NOTICE_EVERY_MS, 'take_attack_notice')
  }

  /** The methods by which a user can show a second factor; empty if the account has no factor. */
  methodsOf(userId: number, db?: Db): Promise<Method[]> {
    return this.#dependencies.factors.methodsOf(userId, db)
  }

  /**
   * The factor, if right. Takes a try from the budgets, and returns it if the factor is right.
   * @throws Problem too_many_attempts
   */
  async check(user: User, shown: ShownFactor, attempt: Attempt): Promise<UsedFactor | undefined> {
    const { config, throttle, events } = this.#dependencies
    if (!config.LOGIN_THROTTLE) return this.use(user, shown, attempt)
    const reservation = await throttle.reserve(attempt)
    const used = await this.use(user, shown, { ...attempt, reservation })
    if (used !== undefined) await throttle.succeed(reservation)
    else if (reservation.isLast)
      await events.record({ type: 'account.locked', userId: user.id, actorId: null }, attempt.client)
    return used
  }

  /** As `check`, for a try that was already taken from the budgets. */
  async use(
    user: User,
    shown: ShownFactor,
    {
      client,
      sessionId,
      reservation,
    }: Pick<Attempt, 'client' | 'sessionId'> & { reservation?: Reservation | undefined },
  ): Promise<UsedFactor | undefined> {
    const { factors } = this.#dependencies
    const used = isBarred(shown, reservation) ? undefined : await factors.use(user.id, shown, client)
    if (used === undefined) await this.#reject(user, client, { sessionId, tries: reservation?.tries ?? 0 })
    else if ('recoveryCode' in shown) await this.#noteRecovery(user, client)
    return used
  }

  #reject(user: User, client: Client, { sessionId, tries }: { sessionId: string | undefined; tries: number }) {
    const { database, events, notices } = this.#dependencies
    return database.transaction(async (db) => {
      const event = {
        type: 'factor.rejected' as const,
        userId: user.id,
        ...(sessionId ? { sessionId } : { actorId: null }),
      }
      await events.record(event, client, db)
      if (tries < NOTICE_FROM_TRIES) return
      const [taken] = await within(db, this.#takeNotice).execute({ key: `attacked:${user.id}`, limit: 1 })
      if (taken !== undefined) await notices.notify(db, 'factor_attacked', user)
    })
  }

  #noteRecovery(user: User, client: Client): Promise<void> {
    const { database, events, notices } = this.#dependencies
    return database.transaction(async (db) => {
      await events.record({ type: 'recovery_code.used', userId: user.id }, client, db)
      await notices.notify(db, 'recovery_code_used', user)
    })
  }
}

/**
 * Six digits can be guessed in the long run: after many tries, an unknown network must show a recovery code or a
 * passkey.
 */
function isBarred(shown: ShownFactor, reservation: Reservation | undefined): boolean {
  return (
    'totp' in shown && reservation !== undefined && reservation.tries > MANY_TRIES && reservation.networks.length > 0
  )
}
