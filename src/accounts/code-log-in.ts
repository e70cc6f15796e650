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

/** How people log in with a code that was mailed to their address, which must be confirmed. */
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
   * The user of a code, which is used up also where a second factor is missing: the ticket takes its place.
   * @throws Problem email_login_disabled, invalid_one_time_token, mfa_required, too_many_attempts
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
        // Of nobody: what is written is the same whether the address has an account or not.
        await events.record({ type: 'login.failed', userId: null, actorId: null, reason: 'wrong_code' }, client)
      }
      throw error
    }
  }

  #use(grant: Grant): Promise<User> {
    const { database, oneTimeTokens } = this.#dependencies
    return database.transaction(async (db) => {
      // As everybody, it locks the user before the token.
      const user = await lockUser(database, db, grant.user.id)
      await oneTimeTokens.use(db, grant)
      const isTheirs = user?.emailKey === grant.row.target && user.emailVerifiedAt !== null
      if (!isTheirs) throw new Problem('invalid_one_time_token')
      return user
    })
  }
}
