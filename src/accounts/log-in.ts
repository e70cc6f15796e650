import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import type { Database } from '../database/database.js'
import { assertPasswordText } from '../passwords/text.js'
import { Problem } from '../problems.js'
import { logins } from '../telemetry/channels.js'
import type { UserCaller } from '../tokens/access-tokens.js'
import type { Accounts } from './accounts.js'
import { identifierKey, normalizeName } from './names.js'
import type { PasswordChecks } from './password-checks.js'
import { prepareFindNamed, prepareFindPending, type User } from './user-rows.js'

type Identifier = 'username' | 'email'
const OTHER = { username: 'email', email: 'username' } as const

type Session = Pick<UserCaller, 'userId' | 'sessionId'>

interface Dependencies {
  config: Config
  database: Database
  accounts: Accounts
  checks: PasswordChecks
  events: Events
}

/** How people prove who they are with a password. Every door leads through here. */
export class LogIn {
  readonly #accounts: Accounts
  readonly #checks: PasswordChecks
  readonly #events: Events
  readonly #named: ReturnType<typeof prepareFindNamed>
  readonly #findPending: ReturnType<typeof prepareFindPending> | undefined

  constructor({ config, database, accounts, checks, events }: Dependencies) {
    this.#accounts = accounts
    this.#checks = checks
    this.#events = events
    this.#named = prepareFindNamed(database)
    // Nowhere else does an account wait for the address that it logs in with.
    if (config.EMAIL_VERIFICATION === 'required') this.#findPending = prepareFindPending(database)
  }

  /**
   * The active user whom the identifier (user name or e-mail address) and the password name. An unknown one, a wrong
   * password and a disabled account cost the same hash and get the same answer.
   * @throws Problem invalid_credentials, email_unverified, too_many_attempts, password_rejected, hashing_overloaded
   */
  authenticate(identifier: string, password: string, client: Client): Promise<User> {
    return this.#authenticate(identifier.includes('@') ? 'email' : 'username', identifier, password, client)
  }

  /**
   * As `authenticate`, for a name or an address exactly as it was registered: other case is somebody unknown. Somebody who
   * has no such name is called by the other one: an import brings people who have only an address.
   * @throws as `authenticate`
   */
  authenticateExactly(column: Identifier, identifier: string, password: string, client: Client): Promise<User> {
    const isExact = (user: User) => (user[column] ?? user[OTHER[column]]) === identifier
    return this.#authenticate(column, identifier, password, client, isExact)
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
    const proven = await this.#checks.check(user, password, { client, owner: user, name: '', sessionId })
    if (proven !== undefined) return proven
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
    const proven = await this.#checks.check(user, password, { client, owner: user, name: '' })
    if (proven !== undefined) return proven
    await this.#events.record({ type: 'password.rejected', userId: user.id, actorId: null }, client)
    throw new Problem('invalid_credentials')
  }

  async #authenticate(
    column: Identifier,
    identifier: string,
    password: string,
    client: Client,
    mayBeMeant?: (user: User) => boolean,
  ): Promise<User> {
    assertPasswordText(password)
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
    const proven = await this.#checks.check(user, password, { client, owner: user ?? choose(rows), name: key })
    const userId = user?.id ?? null
    if (proven === undefined) {
      const reason = user === undefined ? 'unknown_user' : user.isActive ? 'wrong_password' : 'disabled'
      logins.publish({ result: 'failed' })
      await this.#events.record({ type: 'login.failed', userId, actorId: null, reason }, client)
      throw new Problem('invalid_credentials')
    }
    // The tutorials' doors, which compare exactly, have no words for it.
    if (proven.unprovenUntil !== null) throw new Problem(mayBeMeant ? 'invalid_credentials' : 'email_unverified')
    return proven
  }
}
