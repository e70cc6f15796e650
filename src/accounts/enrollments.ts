import type { RegistrationResponseJSON } from '@simplewebauthn/server'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import type { Database, Db } from '../database/database.js'
import { needsFactor } from '../database/factor-policy.js'
import type { Factors } from '../factors/factors.js'
import type { Passkeys } from '../factors/passkeys.js'
import { Problem } from '../problems.js'
import type { Accounts } from './accounts.js'
import type { Confirmation, EnrollmentTicket, EnrollmentTickets } from './enrollment-tickets.js'
import type { FactorChecks } from './factor-checks.js'
import { type FirstFactor, withSecond } from './login-tickets.js'
import type { Notices } from './notices.js'
import type { Issued, OneTimeTokens } from './one-time-tokens.js'
import type { SecondFactors } from './second-factors.js'
import { lockAccount, type User } from './user-rows.js'

const HAS_ONE = 'The account has a second factor; latchkey users remove-factors <who> removes it.'

interface Dependencies {
  config: Config
  database: Database
  accounts: Accounts
  factors: Factors
  passkeys: Passkeys
  factorChecks: FactorChecks
  secondFactors: SecondFactors
  tickets: EnrollmentTickets
  oneTimeTokens: OneTimeTokens
  events: Events
  notices: Notices
}

/** The mailed code, or the token of an operator's link. */
export type Confirmed = { code: string } | { token: string }

/** A user who adds a factor without a session. */
interface Newcomer {
  id: number
  authVersion: number
  first: FirstFactor
  client: Client
}

/** A user who has added the first factor, and so has proved both. */
export interface Enrolled {
  user: User & { amr: string }
  recoveryCodes: string[]
}

/**
 * Adds the first second factor of an account that must have one (MFA). The user adds it in the middle of a log-in,
 * which it completes: until then there is a ticket, but no session.
 */
export class Enrollments {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /** Whether an account of this role must have a second factor. */
  isNeeded({ role }: Pick<User, 'role'>): boolean {
    return needsFactor(this.#dependencies.config.MFA, role)
  }

  /**
   * The response for a user who has proved the first factor and has no second one. With `isConfirmed`, the user has
   * just shown a mailed code or an operator's link.
   */
  refusal(user: User, first: FirstFactor, { isConfirmed = first === 'otp' } = {}): Problem {
    const { tickets, passkeys } = this.#dependencies
    const confirmation = isConfirmed ? 'none' : this.#confirmationOf(user)
    const ticket = tickets.make({ userId: user.id, authVersion: user.authVersion, first, confirmation })
    const methods = passkeys.areAvailable ? ['totp', 'passkey'] : ['totp']
    return new Problem('mfa_enrollment_required', { extension: { ticket, methods, confirmation } })
  }

  /** Mails a code to the confirmed address of the account. @throws Problem invalid_ticket, mail_disabled */
  async sendCode(ticket: string, { client, locale }: { client: Client; locale: string }): Promise<void> {
    const { database, notices } = this.#dependencies
    const { user, confirmation } = await this.#read(ticket)
    if (confirmation !== 'email' || user.email === null) throw new Problem('mail_disabled')
    const mail = { purpose: 'enrollment', address: user.email, userId: user.id, locale } as const
    await database.transaction((db) => notices.requestWithin(db, mail, client.ip))
  }

  /**
   * A ticket that needs no more confirmation. The code or link is not used up here: it is deleted when the factor is
   * added.
   * @throws Problem invalid_ticket, invalid_one_time_token, too_many_attempts
   */
  async confirm(ticket: string, shown: Confirmed, client: Client): Promise<string> {
    const { oneTimeTokens, events, tickets } = this.#dependencies
    const { user, ...held } = await this.#read(ticket)
    try {
      const isLink = 'token' in shown
      const proof = isLink ? shown : { target: user.emailKey ?? '', code: shown.code }
      const grant = await oneTimeTokens.find([isLink ? 'enrollment_link' : 'enrollment'], proof, client.ip)
      if (grant.user.id !== user.id) throw new Problem('invalid_one_time_token')
      await oneTimeTokens.giveBack(grant)
    } catch (error) {
      const isWrong = error instanceof Problem && error.code === 'invalid_one_time_token'
      const event = { type: 'login.failed', userId: user.id, actorId: null, reason: 'wrong_enrollment_code' } as const
      if (isWrong) await events.record(event, client)
      throw error
    }
    return tickets.make({ ...held, confirmation: 'none' })
  }

  /** Makes the token of an operator's link, which vouches for the user. @throws Problem not_found, account_protected */
  async createLink(userId: number): Promise<Issued> {
    const { database, factorChecks, oneTimeTokens, events } = this.#dependencies
    return database.transaction(async (db) => {
      await lockAccount(database, db, userId)
      if ((await factorChecks.methodsOf(userId, db)).length > 0)
        throw new Problem('account_protected', { detail: HAS_ONE })
      const issued = await oneTimeTokens.create(db, { purpose: 'enrollment_link', userId })
      if (issued === undefined) throw new Error('A link that was made later is there already')
      await events.record({ type: 'enrollment_link.created', userId, actorId: null }, undefined, db)
      return issued
    })
  }

  /** Begins a TOTP factor. @throws Problem invalid_ticket, enrollment_unconfirmed */
  async begin(ticket: string, { name, issuer }: { name: string | null; issuer: string }, client: Client) {
    const { secondFactors } = this.#dependencies
    return secondFactors.begin(await this.#ownerOf(ticket, client), { name, issuer })
  }

  /** Whether the TOTP factor that was begun has the secret of this URI. @throws as `begin` */
  async hasBegun(ticket: string, uri: string, client: Client): Promise<boolean> {
    return this.#dependencies.factors.hasBegun((await this.#ownerOf(ticket, client)).id, uri)
  }

  /** Confirms the TOTP factor by its first code. @throws Problem invalid_ticket, enrollment_unconfirmed, wrong_code */
  async complete(ticket: string, code: string, client: Client): Promise<Enrolled> {
    const { secondFactors } = this.#dependencies
    const owner = await this.#ownerOf(ticket, client)
    return this.#enroll(owner, 'otp', (db) => secondFactors.confirmWithin(db, owner, code))
  }

  /**
   * Options for `navigator.credentials.create`.
   * @throws Problem invalid_ticket, enrollment_unconfirmed, passkeys_unavailable
   */
  async passkeyOptions(ticket: string, serviceName: string, client: Client) {
    return this.#dependencies.secondFactors.passkeyOptions(await this.#ownerOf(ticket, client), serviceName)
  }

  /** Adds a passkey. @throws Problem invalid_ticket, enrollment_unconfirmed, passkey_rejected, passkeys_unavailable */
  async completeWithPasskey(
    ticket: string,
    { name, response }: { name: string | null; response: RegistrationResponseJSON },
    client: Client,
  ): Promise<Enrolled> {
    const { secondFactors } = this.#dependencies
    const owner = await this.#ownerOf(ticket, client)
    const made = await secondFactors.verifyNew(owner, response)
    return this.#enroll(owner, `${made.values.isBackupEligible ? 'swk' : 'hwk'} user`, async (db) => {
      return (await secondFactors.addWithin(db, owner, { name, made })).recoveryCodes
    })
  }

  /** Adds the factor and revokes the other sessions in one transaction. Resolves to the account as changed. */
  #enroll({ id, authVersion, first }: Newcomer, amr: string, add: (db: Db) => Promise<string[]>): Promise<Enrolled> {
    const { database } = this.#dependencies
    return database.transaction(async (db) => {
      const before = await lockAccount(database, db, id, 'invalid_token')
      // If two users hold tickets of one account, the second finds another auth_version here.
      if (before.authVersion !== authVersion || !before.isActive) throw new Problem('invalid_ticket')
      const recoveryCodes = await add(db)
      const user = await lockAccount(database, db, id, 'invalid_token')
      return { user: { ...user, amr: withSecond(first, amr) }, recoveryCodes }
    })
  }

  async #ownerOf(ticket: string, client: Client): Promise<Newcomer> {
    const { userId: id, authVersion, first, confirmation } = await this.#read(ticket)
    if (confirmation !== 'none') throw new Problem('enrollment_unconfirmed')
    return { id, authVersion, first, client }
  }

  async #read(ticket: string): Promise<EnrollmentTicket & { user: User }> {
    const { tickets, accounts } = this.#dependencies
    const held = tickets.read(ticket)
    const user = held && (await accounts.find(held.userId))
    if (held === undefined || user === undefined || user.authVersion !== held.authVersion) {
      throw new Problem('invalid_ticket')
    }
    return { ...held, user }
  }

  /**
   * A password may be stolen, so an admin's password alone adds no factor; nor, where mail is on, does that of an
   * account with a confirmed address.
   */
  #confirmationOf({ role, email, emailVerifiedAt }: User): Confirmation {
    const { notices } = this.#dependencies
    if (notices.isOn && email !== null && emailVerifiedAt !== null) return 'email'
    return role === 'admin' ? 'link' : 'none'
  }
}
