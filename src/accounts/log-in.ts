import { and, eq, inArray, or, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { type Database, type Db, within } from '../database/database.js'
import { networksOf } from '../networks.js'
import type { Passwords } from '../passwords/passwords.js'
import type { Turn } from '../passwords/queue.js'
import type { PasswordRules } from '../passwords/rules.js'
import { assertPasswordText } from '../passwords/text.js'
import { Problem } from '../problems.js'
import { logins } from '../telemetry/channels.js'
import type { Caller, Role } from '../tokens/access-tokens.js'
import { emailKey, fold, identifierKey, named, namesOf, usernameKey } from './names.js'
import type { Attempt, Throttle } from './throttle.js'
import type { User } from './user-rows.js'

type Identifier = 'username' | 'email'
const OTHER = { username: 'email', email: 'username' } as const

export interface Registration {
  username?: string | undefined
  email?: string | undefined
  name?: string | undefined
  /** The language to write to the person in, as in BCP 47. */
  locale?: string | undefined
  password: string
}

interface RegisterOptions<Result> {
  /** Whether the rules for names are those of the tutorials. */
  isTutorial?: boolean
  /** What else belongs to the registration: it is done in the same transaction, and returns what `register` does. */
  finish?: (user: User, db: Db) => Promise<Result>
}

type Session = Pick<Caller, 'userId' | 'sessionId'>

interface Dependencies {
  config: Config
  database: Database
  passwords: Passwords
  rules: PasswordRules
  throttle: Throttle
  events: Events
}

/** People: how they register and how they prove who they are. Every door leads through here. */
export class Accounts {
  readonly #config: Config
  readonly #database: Database
  readonly #passwords: Passwords
  readonly #rules: PasswordRules
  readonly #throttle: Throttle
  readonly #events: Events
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor({ config, database, passwords, rules, throttle, events }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#passwords = passwords
    this.#rules = rules
    this.#throttle = throttle
    this.#events = events
    this.#statements = prepareStatements(database)
  }

  /**
   * Adds a person. Taken names cost the same hash as free ones. With `isTutorial` a user name may be as short or long as
   * in the tutorials, and a password as weak where COMPAT_WEAK_PASSWORDS allows it; every other rule is the same.
   * @throws Problem registration_closed, username_rejected, email_rejected, name_rejected, password_rejected,
   * username_taken, email_taken
   */
  async register<Result = User>(
    registration: Registration,
    client: Client,
    { isTutorial = false, finish = async (user) => user as Result }: RegisterOptions<Result> = {},
  ): Promise<Result> {
    if (this.#config.REGISTRATION === 'closed') throw new Problem('registration_closed')
    const { username, email } = registration
    const keys = {
      usernameKey: username === undefined ? null : usernameKey(username, { isTutorial }),
      emailKey: email === undefined ? null : emailKey(email),
    }
    const add = await this.#prepare(registration, keys, { client, isTutorial })
    return this.#database.transaction(async (db) => {
      const user = await add(db)
      await this.#events.record({ type: 'user.registered', userId: user.id }, client, db)
      return finish(user, db)
    })
  }

  /**
   * Adds a person for an operator, who may be an admin: also under a reserved name, and while registration is closed.
   * @throws as `register`
   */
  async create(registration: Registration, role: Role = 'user'): Promise<User> {
    const { username, email } = registration
    const add = await this.#prepare(registration, {
      role,
      usernameKey: username === undefined ? null : usernameKey(username, { allowReserved: true }),
      emailKey: email === undefined ? null : emailKey(email),
    })
    return this.#database.transaction(async (db) => {
      const user = await add(db)
      const whom = { userId: user.id, actorId: null }
      await this.#events.record({ type: 'user.created', ...whom }, undefined, db)
      if (role !== 'user') {
        await this.#events.record({ type: 'user.role_changed', ...whom, reason: `user to ${role}` }, undefined, db)
      }
      return user
    })
  }

  /**
   * The active user whom the identifier (user name or e-mail address) and the password name. An unknown one, a wrong
   * password and a disabled account cost the same hash and get the same answer.
   * @throws Problem invalid_credentials, too_many_attempts, password_rejected, hashing_overloaded
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
    const user = await this.find(userId)
    if (user === undefined) throw new Problem('invalid_token')
    const proven = await this.#proveWithinBudget(user, password, { client, owner: user, name: '', sessionId })
    if (proven !== undefined) return proven
    await this.#events.record({ type: 'password.rejected', userId }, client)
    throw new Problem('wrong_password')
  }

  /**
   * The hash of a new password for this user; without a client, for an operator.
   * @throws Problem password_rejected that says which rule it breaks
   */
  async hashFor(user: User, password: string, client?: Client): Promise<string> {
    await this.#rules.assert(password, namesOf(user))
    return this.#passwords.hash(password, client && turnOfOwner(client, user.id))
  }

  /** The user of this id, if active. */
  async find(userId: number): Promise<User | undefined> {
    const [user] = await this.#statements.findActive.execute({ userId })
    return user
  }

  /** All that takes long; what it resolves to adds the person within a transaction. */
  async #prepare(
    registration: Registration,
    columns: { usernameKey: string | null; emailKey: string | null; role?: Role },
    { client, isTutorial = false }: { client?: Client; isTutorial?: boolean } = {},
  ): Promise<(db: Db) => Promise<User>> {
    const { username, email, name, locale, password } = registration
    const nameAndKey = named(name)
    await this.#rules.assert(password, namesOf(registration), { isTutorial })
    const passwordHash = await this.#passwords.hash(password, client && turnOf(client))
    const { tables, now } = this.#database
    const { named: find } = this.#statements
    const row = { username, email, locale, ...nameAndKey, ...columns, passwordHash, createdAt: now, updatedAt: now }
    const folded = email === undefined ? null : fold(email)
    return async (db) => {
      // The database compares keys; older rows may be stored under the folded form of such an address.
      if (folded !== columns.emailKey && (await within(db, find).execute({ key: folded, folded })).length > 0) {
        throw new Problem('email_taken')
      }
      const [user] = await db.insert(tables.users).values(row).onConflictDoNothing().returning()
      if (user !== undefined) return user
      const [twin] = await within(db, find).execute({ key: columns.usernameKey, folded: columns.usernameKey })
      throw new Problem(twin ? 'username_taken' : 'email_taken')
    }
  }

  async #authenticate(
    column: Identifier,
    identifier: string,
    password: string,
    client: Client,
    mayBeMeant: (user: User) => boolean = () => true,
  ): Promise<User> {
    assertPasswordText(password)
    const [key, folded] = [identifierKey(identifier), fold(identifier)]
    const rows = await this.#statements.named.execute({ key, folded })
    // Two people share a name only in a database that is older than the rule against it.
    const choose = (among: User[]) => {
      const byKey = (key: string) => among.find((user) => user[`${column}Key`] === key)
      return byKey(folded) ?? byKey(key) ?? among[0]
    }
    const user = choose(rows.filter(mayBeMeant))
    // Whatever the door compares, a name has one budget: else a second door would tell whether it is somebody's.
    const proven = await this.#proveWithinBudget(user, password, { client, owner: user ?? choose(rows), name: key })
    const userId = user?.id ?? null
    if (proven === undefined) {
      const reason = user === undefined ? 'unknown_user' : user.isActive ? 'wrong_password' : 'disabled'
      logins.publish({ result: 'failed' })
      await this.#events.record({ type: 'login.failed', userId, actorId: null, reason }, client)
      throw new Problem('invalid_credentials')
    }
    return proven
  }

  /** Takes a try from the budgets first, and gives it back unless the password was wrong. */
  async #proveWithinBudget(user: User | undefined, password: string, attempt: Attempt) {
    const { client, owner, name, sessionId } = attempt
    const isConfirmed = sessionId !== undefined && owner !== undefined
    const turn = isConfirmed ? turnOfOwner(client, owner.id) : turnOf(client, `name:${name}`)
    if (!this.#config.LOGIN_THROTTLE) return this.#prove(user, password, turn)
    // First of all: a flood would make two writes of each try that is refused anyway.
    this.#passwords.assertRoom(turn)
    const reservation = await this.#throttle.reserve(attempt)
    let proven: User | undefined
    try {
      proven = await this.#prove(user, password, turn)
    } catch (error) {
      await this.#throttle.release(reservation)
      throw error
    }
    if (proven !== undefined) await this.#throttle.succeed(reservation)
    else if (reservation.isLast) {
      await this.#events.record({ type: 'account.locked', userId: owner?.id ?? null, actorId: null }, client)
    }
    return proven
  }

  async #prove(user: User | undefined, password: string, turn: Turn): Promise<User | undefined> {
    const { isRight, isOutdated } = await this.#passwords.verify(password, user?.passwordHash ?? undefined, turn)
    if (user === undefined || !isRight || !user.isActive) return undefined
    return isOutdated ? this.#upgrade(user, password, turn) : user
  }

  /** Hashes anew in the format and at the cost in force, unless the hash has changed meanwhile. */
  async #upgrade(user: User, password: string, turn: Turn): Promise<User | undefined> {
    const passwordHash = await this.#passwords.hash(password, turn)
    const [upgraded] = await this.#statements.setHash.execute({ userId: user.id, old: user.passwordHash, passwordHash })
    // Another log-in upgraded it first, or the password was changed: only what is stored now can tell.
    return upgraded ?? this.#prove(await this.find(user.id), password, turn)
  }
}

/** A place in the queue of hashes, for the name that was typed, known or not, and for the network. */
function turnOf({ ip, isGone }: Client, account?: string): Turn {
  return { ...(isGone && { isGone }), account, network: networksOf(ip).at(-1)?.key }
}

/**
 * The place of somebody who has shown a session or a reset token. Their network counts apart from its log-ins: a flood of
 * those, which anybody can send, does not come before, and many accounts of one network do not come before others' log-ins.
 */
function turnOfOwner(client: Client, userId: number): Turn {
  const { network, ...turn } = turnOf(client, `user:${userId}`)
  return { ...turn, network: `owners:${network}` }
}

function prepareStatements({ db, tables: { users }, now }: Database) {
  const userId = eq(users.id, sql.placeholder('userId'))
  const keys = [sql.placeholder('key'), sql.placeholder('folded')]
  return {
    /** By user name or address, as by the key of today and of older versions. */
    named: db
      .select()
      .from(users)
      .where(or(inArray(users.usernameKey, keys), inArray(users.emailKey, keys)))
      .prepare('find_user_by_name'),
    findActive: db
      .select()
      .from(users)
      .where(and(userId, eq(users.isActive, true)))
      .prepare('find_active_user'),
    setHash: db
      .update(users)
      .set({ passwordHash: sql`${sql.placeholder('passwordHash')}`, updatedAt: now })
      .where(and(userId, eq(users.passwordHash, sql.placeholder('old'))))
      .returning()
      .prepare('set_password_hash'),
  }
}
