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

/** The id of no account. */
const NOBODY = 0
/** Somebody who has proved who they are, and how. */
export type LoggedIn = User & Pick<AuthenticatedUser, 'amr' | 'spend'>

/** What a door takes of somebody: whom it may mean by a name, and which second factor was shown. */
interface Door {
  column: Identifier
  mayBeMeant?: (user: User) => boolean
  shown?: ShownFactor | undefined
  /** Whether the door has no words for a second factor, which stands behind the password then. */
  takesDigits?: true
}

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

/** How people prove who they are, with a password and a second factor where there is one. Every door leads through here. */
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
    // Nowhere else does an account wait for the address that it logs in with.
    if (config.EMAIL_VERIFICATION === 'required') this.#findPending = prepareFindPending(database)
  }

  /**
   * The active user whom the identifier (user name or e-mail address) and the password name. An unknown one, a wrong
   * password and a disabled account cost the same hash and get the same answer. An account with a second factor needs it too:
   * it is `shown` at once, or to `complete` with the ticket of the problem. One that needs a factor and has none gets the ticket
   * of an enrollment.
   * @throws Problem invalid_credentials, mfa_required, mfa_enrollment_required, email_unverified, too_many_attempts,
   * password_rejected, hashing_overloaded
   */
  async authenticate(identifier: string, password: string, client: Client, shown?: ShownFactor): Promise<LoggedIn> {
    const door: Door = { column: identifier.includes('@') ? 'email' : 'username', shown }
    const { user, step } = await this.#authenticate(door, identifier, password, client)
    if (step === 'missing') throw this.#factorMissing(user, 'pwd', await this.#factorChecks.methodsOf(user.id))
    if (step === 'unenrolled') throw this.#enrollments.refusal(user, 'pwd')
    return step === 'right' ? { ...user, amr: withSecond('pwd') } : user
  }

  /**
   * The user, who has proved by something else than the password who they are, if the account has no second factor.
   * @throws Problem mfa_required, mfa_enrollment_required
   */
  async goOn(user: User, first: FirstFactor): Promise<LoggedIn> {
    const methods = await this.#factorChecks.methodsOf(user.id)
    if (methods.length > 0) throw this.#factorMissing(user, first, methods)
    if (this.#enrollments.isNeeded(user)) throw this.#enrollments.refusal(user, first)
    return { ...user, amr: first }
  }

  /**
   * The user of a ticket, who shows the second factor now.
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
   * As `authenticate`, for a name or an address exactly as it was registered: other case is somebody unknown. Somebody who
   * has no such name is called by the other one: an import brings people who have only an address. Whoever has TOTP types its
   * six digits right behind the password.
   * @throws as `authenticate`, but for mfa_required
   */
  async authenticateExactly(
    column: Identifier,
    identifier: string,
    password: string,
    client: Client,
  ): Promise<LoggedIn> {
    const mayBeMeant = (user: User) => (user[column] ?? user[OTHER[column]]) === identifier
    const door: Door = { column, mayBeMeant, takesDigits: true }
    const { user, step } = await this.#authenticate(door, identifier, password, client)
    return step === 'right' ? { ...user, amr: withSecond('pwd') } : user
  }

  /**
   * The user of a live session, who has just proved the current password. Wrong ones count for this session alone: nobody
   * without it can keep its owner from confirming.
   * @throws Problem wrong_password, invalid_token (no such user any more), too_many_attempts, hashing_overloaded
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
   * Proves the password of an account that is known by other means, such as the link of a mail; it need not be one that may log
   * in already.
   * @throws Problem invalid_credentials, too_many_attempts, hashing_overloaded
   */
  async prove(user: User, password: string, client: Client): Promise<User> {
    assertPasswordText(password)
    const checked = await this.#checks.check(user, password, { client, owner: user, name: '' })
    if (checked !== undefined) return checked.user
    await this.#events.record({ type: 'password.rejected', userId: user.id, actorId: null }, client)
    throw new Problem('invalid_credentials')
  }

  async #authenticate(door: Door, identifier: string, typed: string, client: Client): Promise<Checked> {
    assertPasswordText(typed)
    const { column, mayBeMeant } = door
    const [key, folded] = [identifierKey(identifier), normalizeName(identifier)]
    const rows = await this.#named.execute({ key, folded })
    // Two people share a name only in a database that is older than the rule against it.
    const choose = (among: User[]) => {
      const byKey = (key: string) => among.find((user) => user[`${column}Key`] === key)
      return byKey(folded) ?? byKey(key) ?? among[0]
    }
    const [pending] = rows.length > 0 ? [] : ((await this.#findPending?.execute({ key })) ?? [])
    const user = choose(mayBeMeant ? rows.filter(mayBeMeant) : rows) ?? pending
    // One budget a name at all doors: otherwise a second, stricter door would reveal whether the name exists.
    const { password, shown } = door.takesDigits ? await this.#cut(user, typed) : { password: typed, shown: door.shown }
    const second = (proven: User, reservation?: Reservation) =>
      this.#secondStep(proven, { door, shown, client, reservation })
    const attempt = { client, owner: user ?? choose(rows), name: key }
    const checked = await this.#checks.check(user, password, attempt, { second })
    const userId = user?.id ?? null
    if (checked === undefined) {
      const reason = user === undefined ? 'unknown_user' : user.isActive ? 'wrong_password' : 'disabled'
      logins.publish({ result: 'failed' })
      await this.#events.record({ type: 'login.failed', userId, actorId: null, reason }, client)
      throw new Problem('invalid_credentials')
    }
    // The tutorials' doors, which compare exactly, have no words for it.
    if (checked.user.unprovenUntil !== null) throw new Problem(mayBeMeant ? 'invalid_credentials' : 'email_unverified')
    return checked
  }

  #factorMissing(user: User, first: FirstFactor, methods: readonly string[]): Problem {
    return new Problem('mfa_required', { extension: { ticket: this.#tickets.make(user, first), methods } })
  }

  /** An account with TOTP has the last six characters cut off, whatever they are: the time of a try tells nothing then. */
  async #cut(user: User | undefined, typed: string): Promise<{ password: string; shown: ShownFactor | undefined }> {
    const methods = await this.#factorChecks.methodsOf(user?.id ?? NOBODY)
    if (!methods.includes('totp')) return { password: typed, shown: undefined }
    return { password: typed.slice(0, -DIGITS), shown: { totp: typed.slice(-DIGITS) } }
  }

  async #secondStep(
    user: User,
    {
      door,
      shown,
      ...attempt
    }: { door: Door; shown: ShownFactor | undefined; client: Client; reservation: Reservation | undefined },
  ): Promise<SecondStep> {
    if ((await this.#factorChecks.methodsOf(user.id)).length === 0) {
      if (!this.#enrollments.isNeeded(user)) return 'none'
      // A door that has no words for it says what it says to a wrong password.
      return door.takesDigits ? 'wrong' : 'unenrolled'
    }
    if (shown === undefined) return door.takesDigits ? 'wrong' : 'missing'
    return (await this.#factorChecks.use(user, shown, attempt)) ? 'right' : 'wrong'
  }
}
