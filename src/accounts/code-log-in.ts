import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import type { Database } from '../database/database.js'
import { Problem } from '../problems.js'
import { logins } from '../telemetry/channels.js'
import type { LoggedIn, LogIn } from './log-in.js'
import type { Grant, OneTimeTokens, Shown } from './one-time-tokens.js'
import { lockUser, type User } from './user-rows.js'

interface Dependencies {
  config: Pick<Config, 'EMAIL_LOGIN'>
  database: Database
  oneTimeTokens: OneTimeTokens
  logIn: LogIn
  events: Events
}

/** Log-in by a code that is mailed to the confirmed address. */
export class CodeLogIn {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /** @throws Problem email_login_disabled */
  assertOn(): void {
    if (!this.#dependencies.config.EMAIL_LOGIN) throw new Problem('email_login_disabled')
  }

  /**
   * The user of a code. The code is used up even if a second factor is missing: the ticket replaces it.
   * @throws Problem email_login_disabled, invalid_one_time_token, mfa_required, mfa_enrollment_required,
   * too_many_attempts
   */
  async authenticate(shown: Shown, client: Client): Promise<LoggedIn> {
    this.assertOn()
    const { oneTimeTokens, logIn, events } = this.#dependencies
    try {
      const grant = await oneTimeTokens.find(['login'], shown, client.ip)
      return await logIn.goOn(await this.#use(grant), 'otp')
    } catch (error) {
      if (error instanceof Problem && error.code === 'invalid_one_time_token') {
        logins.publish({ result: 'failed' })
        // Without a user: the event must not depend on whether the address has an account.
        await events.record({ type: 'login.failed', userId: null, actorId: null, reason: 'wrong_code' }, client)
      }
      throw error
    }
  }

  #use(grant: Grant): Promise<User> {
    const { database, oneTimeTokens } = this.#dependencies
    return database.transaction(async (db) => {
      // Locks the user before the token, like every transaction.
      const user = await lockUser(database, db, grant.user.id)
      await oneTimeTokens.use(db, grant)
      const isTheirs = user?.emailKey === grant.row.target && user.emailVerifiedAt !== null
      if (!isTheirs) throw new Problem('invalid_one_time_token')
      return user
    })
  }
}
