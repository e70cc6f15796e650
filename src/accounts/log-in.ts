import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import type { Database } from '../database/database.js'
import { type ShownFactor, wrongFactor } from '../factors/factors.js'
import { DIGITS } from '../factors/totp.js'
import { assertPasswordText } from '../passwords/text.js'
import { Problem } from '../problems.js'
import type { AuthenticatedUser } from '../sessions/sessions.js'
import { logins } from '../telemetry/channels.js'
import type { UserCaller } from '../tokens/access-tokens.js'
import type { Accounts } from './accounts.js'
import type { Enrollments } from './enrollments.js'
import type { FactorChecks } from './factor-checks.js'
import { type FirstFactor, type LoginTickets, withSecond } from './login-tickets.js'
import { identifierKey, normalizeName } from './names.js'
import type { Checked, PasswordChecks, SecondStep } from './password-checks.js'
import type { Reservation } from './throttle.js'
import { prepareFindNamed, prepareFindPending, type User } from './user-rows.js'

type Identifier = 'username' | 'email'
const OTHER = { username: 'email', email: 'username' } as const

/** An id that no account has. */
const NOBODY = 0
/** A user who has proved their identity, and how. */
export type LoggedIn = User & Pick<AuthenticatedUser, 'amr' | 'spend'>

/** A log-in endpoint: how it looks names up, and which second factor the request shows. */
interface LogInEndpoint {
  column: Identifier
  mayBeMeant?: (user: User) => boolean
  shown?: ShownFactor | undefined
  /** Whether the endpoint has no field for a second factor, and takes the TOTP code at the end of the password. */
  takesDigits?: true
}

/** The reason in the audit log if the password is right and the second factor is not. */
const LACKING = { wrong: 'wrong_code', missing: 'mfa_required', unenrolled: 'mfa_enrollment_required' } as const
type Lacking = keyof typeof LACKING

type Session = Pick<UserCaller, 'userId' | 'sessionId'>

interface Dependencies {
  config: Config
  database: Database
  accounts: Accounts
  checks: PasswordChecks
  factorChecks: FactorChecks
  tickets: LoginTickets
  enrollments: Enrollments
  events: Events
}

/**
 * Log-in with a password and, if the account has one, a second factor. All log-in endpoints with a password use this
 * class.
 */
export class LogIn {
  readonly #accounts: Accounts
  readonly #checks: PasswordChecks
  readonly #factorChecks: FactorChecks
  readonly #tickets: LoginTickets
  readonly #enrollments: Enrollments
  readonly #events: Events
  readonly #named: ReturnType<typeof prepareFindNamed>
  readonly #findPending: ReturnType<typeof prepareFindPending> | undefined

  constructor({ config, database, accounts, checks, factorChecks, tickets, enrollments, events }: Dependencies) {
    this.#accounts = accounts
    this.#checks = checks
    this.#factorChecks = factorChecks
    this.#tickets = tickets
    this.#enrollments = enrollments
    this.#events = events
    this.#named = prepareFindNamed(database)
    // Only with this setting can an account log in with an address that is not confirmed yet.
    if (config.EMAIL_VERIFICATION === 'required') this.#findPending = prepareFindPending(database)
  }

  /**
   * The active user with this identifier (user name or e-mail address) and password. An unknown name, a wrong password
   * and a disabled account cost the same hash and get the same answer. An account with a second factor also needs that
   * factor: `shown` here, or passed to `complete` with the ticket of the problem. An account that must have a factor
   * and has none gets an enrollment ticket.
   * @throws Problem invalid_credentials, mfa_required, mfa_enrollment_required, email_unverified, too_many_attempts,
   * password_rejected, hashing_overloaded
   */
  async authenticate(identifier: string, password: string, client: Client, shown?: ShownFactor): Promise<LoggedIn> {
    const endpoint: LogInEndpoint = { column: identifier.includes('@') ? 'email' : 'username', shown }
    const { user, step } = await this.#authenticate(endpoint, identifier, password, client)
    if (step === 'missing') throw this.#factorMissing(user, 'pwd', await this.#factorChecks.methodsOf(user.id))
    if (step === 'unenrolled') throw this.#enrollments.refusal(user, 'pwd')
    return step === 'right' ? { ...user, amr: withSecond('pwd') } : user
  }

  /**
   * The user, who has proved their identity by other means than the password, unless a second factor is needed.
   * @throws Problem mfa_required, mfa_enrollment_required
   */
  async goOn(user: User, first: FirstFactor): Promise<LoggedIn> {
    const methods = await this.#factorChecks.methodsOf(user.id)
    if (methods.length > 0) throw this.#factorMissing(user, first, methods)
    if (this.#enrollments.isNeeded(user)) throw this.#enrollments.refusal(user, first)
    return { ...user, amr: first }
  }

  /**
   * The user of a ticket, who now shows the second factor.
   * @throws Problem invalid_ticket, wrong_code, too_many_attempts
   */
  async complete(ticket: string, shown: ShownFactor, client: Client): Promise<LoggedIn> {
    const proven = this.#tickets.read(ticket)
    const user = proven && (await this.#accounts.find(proven.userId))
    if (user === undefined || user.authVersion !== proven?.authVersion) throw new Problem('invalid_ticket')
    const used = await this.#factorChecks.check(user, shown, { client, owner: user, name: '' })
    if (used !== undefined) return { ...user, ...used, amr: withSecond(proven.first, used.amr) }
    logins.publish({ result: 'failed' })
    throw wrongFactor(shown)
  }

  /**
   * As `authenticate`, but the name must match in case, as the tutorials compare it. If the account lacks this kind of
   * name, its other name is compared: imported accounts may only have an address. A user with TOTP appends the six
   * digits to the password.
   * @throws as `authenticate`, except email_unverified, mfa_required and mfa_enrollment_required
   */
  async authenticateExactly(
    column: Identifier,
    identifier: string,
    password: string,
    client: Client,
  ): Promise<LoggedIn> {
    const mayBeMeant = (user: User) => (user[column] ?? user[OTHER[column]]) === identifier
    const endpoint: LogInEndpoint = { column, mayBeMeant, takesDigits: true }
    const { user, step } = await this.#authenticate(endpoint, identifier, password, client)
    return step === 'right' ? { ...user, amr: withSecond('pwd') } : user
  }

  /**
   * The user of a live session, who has just proved the current password. Wrong passwords count for this session alone:
   * nobody without the session can lock its owner out.
   * @throws Problem wrong_password, invalid_token (the user is gone), too_many_attempts, hashing_overloaded
   */
  async confirm({ userId, sessionId }: Session, password: string, client: Client): Promise<User> {
    assertPasswordText(password)
    const user = await this.#accounts.find(userId)
    if (user === undefined) throw new Problem('invalid_token')
    const checked = await this.#checks.check(user, password, { client, owner: user, name: '', sessionId })
    if (checked !== undefined) return checked.user
    await this.#events.record({ type: 'password.rejected', userId }, client)
    throw new Problem('wrong_password')
  }

  /**
   * Verifies the password of a given account, such as that of a mailed link. The account need not be allowed to log in
   * yet.
   * @throws Problem invalid_credentials, too_many_attempts, hashing_overloaded
   */
  async prove(user: User, password: string, client: Client): Promise<User> {
    assertPasswordText(password)
    const checked = await this.#checks.check(user, password, { client, owner: user, name: '' })
    if (checked !== undefined) return checked.user
    await this.#events.record({ type: 'password.rejected', userId: user.id, actorId: null }, client)
    throw new Problem('invalid_credentials')
  }

  async #authenticate(endpoint: LogInEndpoint, identifier: string, typed: string, client: Client): Promise<Checked> {
    assertPasswordText(typed)
    const { column, mayBeMeant } = endpoint
    const [key, folded] = [identifierKey(identifier), normalizeName(identifier)]
    const rows = await this.#named.execute({ key, folded })
    // Two accounts can share a name only in a database from before the unique index.
    const choose = (among: User[]) => {
      const byKey = (key: string) => among.find((user) => user[`${column}Key`] === key)
      return byKey(folded) ?? byKey(key) ?? among[0]
    }
    const [pending] = rows.length > 0 ? [] : ((await this.#findPending?.execute({ key })) ?? [])
    const user = choose(mayBeMeant ? rows.filter(mayBeMeant) : rows) ?? pending
    // One budget for a name at all log-in endpoints: a budget of its own for a stricter endpoint would reveal whether
    // the name exists.
    const { password, shown } = endpoint.takesDigits
      ? await this.#cut(user, typed)
      : { password: typed, shown: endpoint.shown }
    let lacking: Lacking | undefined
    const second = async (proven: User, reservation?: Reservation): Promise<SecondStep> => {
      const step = await this.#secondStep(proven, { shown, client, reservation })
      if (step === 'none' || step === 'right') return step
      // An endpoint without an error for a missing factor answers as for a wrong password, and counts it as one.
      if (step !== 'wrong' && !endpoint.takesDigits) return step
      lacking = step
      return 'wrong'
    }
    const attempt = { client, owner: user ?? choose(rows), name: key }
    const checked = await this.#checks.check(user, password, attempt, { second })
    const fail = (reason: string) => {
      logins.publish({ result: 'failed' })
      return this.#events.record({ type: 'login.failed', userId: user?.id ?? null, actorId: null, reason }, client)
    }
    if (checked === undefined) {
      const wrong = user === undefined ? 'unknown_user' : user.isActive ? 'wrong_password' : 'disabled'
      await fail(lacking === undefined ? wrong : LACKING[lacking])
      throw new Problem('invalid_credentials')
    }
    if (checked.user.unprovenUntil !== null) {
      await fail('email_unverified')
      // The tutorials' endpoints, which compare exactly, have no error for an unconfirmed address.
      throw new Problem(mayBeMeant ? 'invalid_credentials' : 'email_unverified')
    }
    return checked
  }

  #factorMissing(user: User, first: FirstFactor, methods: readonly string[]): Problem {
    return new Problem('mfa_required', { extension: { ticket: this.#tickets.make(user, first), methods } })
  }

  /**
   * Cuts six characters off whether or not they are digits: otherwise the response time would reveal whether they are.
   */
  async #cut(user: User | undefined, typed: string): Promise<{ password: string; shown: ShownFactor | undefined }> {
    const methods = await this.#factorChecks.methodsOf(user?.id ?? NOBODY)
    if (!methods.includes('totp')) return { password: typed, shown: undefined }
    return { password: typed.slice(0, -DIGITS), shown: { totp: typed.slice(-DIGITS) } }
  }

  async #secondStep(
    user: User,
    { shown, ...attempt }: { shown: ShownFactor | undefined; client: Client; reservation: Reservation | undefined },
  ): Promise<SecondStep> {
    if ((await this.#factorChecks.methodsOf(user.id)).length === 0) {
      return this.#enrollments.isNeeded(user) ? 'unenrolled' : 'none'
    }
    if (shown === undefined) return 'missing'
    return (await this.#factorChecks.use(user, shown, attempt)) ? 'right' : 'wrong'
  }
}
