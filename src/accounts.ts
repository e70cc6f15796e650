import { and, eq, sql } from 'drizzle-orm'
import type { Config } from './config.js'
import type { Database, Tables } from './database.js'
import { emailKey, fold, usernameKey } from './identifiers.js'
import { networkKey } from './networks.js'
import { assertPasswordText, type PasswordRules } from './password-rules.js'
import type { Passwords } from './passwords.js'
import { Problem } from './problems.js'
import type { Throttle } from './throttle.js'

export type User = Tables['users']['$inferSelect']

type Identifier = 'username' | 'email'

export interface Registration {
  username?: string | undefined
  email?: string | undefined
  name?: string | undefined
  password: string
}

interface Dependencies {
  config: Config
  database: Database
  passwords: Passwords
  rules: PasswordRules
  throttle: Throttle
}

/** People: how they register and how they prove who they are. Every door leads through here. */
export class Accounts {
  readonly #config: Config
  readonly #database: Database
  readonly #passwords: Passwords
  readonly #rules: PasswordRules
  readonly #throttle: Throttle
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor({ config, database, passwords, rules, throttle }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#passwords = passwords
    this.#rules = rules
    this.#throttle = throttle
    this.#statements = prepareStatements(database)
  }

  /**
   * Adds a person. Taken names cost the same hash as free ones. With `anyName` the rules for names do not bind, as in
   * the tutorials that this service stands in for; names that fall together are one all the same.
   * @throws Problem registration_closed, username_rejected, email_rejected, password_rejected, username_taken, email_taken
   */
  async register({ username, email, name, password }: Registration, { anyName = false } = {}): Promise<User> {
    if (this.#config.REGISTRATION === 'closed') throw new Problem('registration_closed')
    const keys = {
      usernameKey: username === undefined ? null : anyName ? fold(username) : usernameKey(username),
      emailKey: email === undefined ? null : anyName ? fold(email) : emailKey(email),
    }
    this.#rules.assert(password, [username, email, name])
    const { db, tables, now } = this.#database
    const passwordHash = await this.#passwords.hash(password)
    const [user] = await db
      .insert(tables.users)
      .values({ username, email, name, ...keys, passwordHash, createdAt: now, updatedAt: now })
      .onConflictDoNothing()
      .returning()
    if (user !== undefined) return user
    const [twin] = await this.#statements.username.execute({ key: keys.usernameKey })
    throw new Problem(twin ? 'username_taken' : 'email_taken')
  }

  /**
   * The active user whom the identifier (user name or e-mail address) and the password name. An unknown one, a wrong
   * password and a disabled account cost the same hash and get the same answer.
   * @throws Problem invalid_credentials, too_many_attempts, password_rejected, hashing_overloaded
   */
  authenticate(identifier: string, password: string, network: string): Promise<User> {
    return this.#authenticate(identifier.includes('@') ? 'email' : 'username', fold(identifier), password, network)
  }

  /**
   * As `authenticate`, for a name or an address exactly as it was registered: other case is somebody unknown.
   * @throws as `authenticate`
   */
  authenticateExactly(column: Identifier, identifier: string, password: string, network: string): Promise<User> {
    const isExact = (user: User) => user[column] === identifier
    return this.#authenticate(column, fold(identifier), password, network, isExact)
  }

  /** The user of this id, if active. */
  async find(userId: number): Promise<User | undefined> {
    const [user] = await this.#statements.findActive.execute({ userId })
    return user
  }

  async #authenticate(
    column: Identifier,
    key: string,
    password: string,
    network: string,
    isMeant: (user: User) => boolean = () => true,
  ): Promise<User> {
    assertPasswordText(password)
    const [found] = await this.#statements[column].execute({ key })
    const user = found && isMeant(found) ? found : undefined
    const account = user ? `user:${user.id}` : `name:${key}`
    return this.#throttled(networkKey(network), account, () => this.#prove(user, password))
  }

  async #throttled(network: string, account: string, prove: () => Promise<User | undefined>): Promise<User> {
    if (!this.#config.LOGIN_THROTTLE) return (await prove()) ?? refuse()
    await this.#throttle.reserve(network, account)
    let user: User | undefined
    try {
      user = await prove()
    } catch (error) {
      await this.#throttle.release(network, account)
      throw error
    }
    if (user === undefined) return refuse()
    await this.#throttle.succeed(network, account)
    return user
  }

  async #prove(user: User | undefined, password: string): Promise<User | undefined> {
    const { isRight, isOutdated } = await this.#passwords.verify(password, user?.passwordHash)
    if (user === undefined || !isRight || !user.isActive) return undefined
    return isOutdated ? this.#upgrade(user, password) : user
  }

  /** Hashes anew in the format and at the cost in force, unless the hash has changed meanwhile. */
  async #upgrade(user: User, password: string): Promise<User | undefined> {
    const passwordHash = await this.#passwords.hash(password)
    const [upgraded] = await this.#statements.upgrade.execute({ userId: user.id, old: user.passwordHash, passwordHash })
    // Another log-in upgraded it first, or the password was changed: only what is stored now can tell.
    return upgraded ?? this.#prove(await this.find(user.id), password)
  }
}

function refuse(): never {
  throw new Problem('invalid_credentials')
}

function prepareStatements({ db, tables: { users }, now }: Database) {
  const userId = eq(users.id, sql.placeholder('userId'))
  const key = sql.placeholder('key')
  return {
    username: db.select().from(users).where(eq(users.usernameKey, key)).prepare('find_user_by_username'),
    email: db.select().from(users).where(eq(users.emailKey, key)).prepare('find_user_by_email'),
    findActive: db
      .select()
      .from(users)
      .where(and(userId, eq(users.isActive, true)))
      .prepare('find_active_user'),
    upgrade: db
      .update(users)
      .set({ passwordHash: sql`${sql.placeholder('passwordHash')}`, updatedAt: now })
      .where(and(userId, eq(users.passwordHash, sql.placeholder('old'))))
      .returning()
      .prepare('upgrade_password_hash'),
  }
}
