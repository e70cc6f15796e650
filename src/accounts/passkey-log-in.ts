import type { AuthenticationResponseJSON } from '@simplewebauthn/server'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Factors } from '../factors/factors.js'
import type { Passkeys } from '../factors/passkeys.js'
import { Problem } from '../problems.js'
import { logins } from '../telemetry/channels.js'
import { printable } from '../terminal.js'
import type { Accounts } from './accounts.js'
import type { LoggedIn } from './log-in.js'
import type { LoginTickets } from './login-tickets.js'

/** The library's messages can hold text that the client has sent. */
const REASON_LENGTH = 200

interface Dependencies {
  accounts: Accounts
  factors: Factors
  passkeys: Passkeys
  tickets: LoginTickets
  events: Events
}

/**
 * Log-in by a passkey alone, without a name. Passkeys cannot be guessed, so wrong ones take from no account's budget:
 * nobody can lock an account with them, and an account that is locked for wrong passwords still accepts its passkeys.
 */
export class PasskeyLogIn {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Options for `navigator.credentials.get`: for any passkey, or for those of the ticket's account.
   * @throws Problem invalid_ticket, passkeys_unavailable
   */
  async options(ticket?: string) {
    const { passkeys } = this.#dependencies
    return ticket === undefined ? passkeys.requestOptions() : this.#optionsOf(this.#holderOf(ticket))
  }

  /** As `options` without a ticket, for a page; undefined if passkeys are off. */
  offer() {
    const { passkeys } = this.#dependencies
    return passkeys.areAvailable ? passkeys.requestOptions() : undefined
  }

  /** Which second factors a page asks for: codes, a passkey, or both. @throws Problem invalid_ticket */
  async secondStep(ticket: string) {
    const { factors, passkeys } = this.#dependencies
    const userId = this.#holderOf(ticket)
    const methods = await factors.methodsOf(userId)
    const takesPasskey = passkeys.areAvailable && methods.includes('passkey')
    return {
      takesCodes: methods.some((method) => method !== 'passkey'),
      question: takesPasskey ? await this.#optionsOf(userId) : undefined,
    }
  }

  /**
   * The user of a passkey. `spend` uses the challenge up when the session begins.
   * @throws Problem passkey_rejected, passkeys_unavailable
   */
  async authenticate(response: AuthenticationResponseJSON, client: Client): Promise<LoggedIn> {
    const { accounts, passkeys } = this.#dependencies
    const shown = await passkeys.verify(response, client).catch((error) => this.#refuse(error, client))
    const user = await accounts.find(shown.userId)
    if (user === undefined || !user.isActive || user.unprovenUntil !== null) {
      return this.#refuse(new Problem('passkey_rejected', { cause: new Error('the account may not log in') }), client)
    }
    return { ...user, amr: `${shown.amr} mfa`, spend: shown.spend }
  }

  #holderOf(ticket: string): number {
    const proven = this.#dependencies.tickets.read(ticket)
    if (proven === undefined) throw new Problem('invalid_ticket')
    return proven.userId
  }

  async #optionsOf(userId: number) {
    const { factors, passkeys } = this.#dependencies
    return passkeys.requestOptions(await factors.list(userId))
  }

  async #refuse(error: unknown, client: Client): Promise<never> {
    if (!(error instanceof Problem && error.code === 'passkey_rejected')) throw error
    const cause = error.cause instanceof Error ? error.cause.message : 'unknown'
    const reason = `passkey: ${printable(cause).slice(0, REASON_LENGTH).toWellFormed()}`
    logins.publish({ result: 'failed' })
    await this.#dependencies.events.record({ type: 'login.failed', userId: null, actorId: null, reason }, client)
    throw error
  }
}
