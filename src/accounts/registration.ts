import type { Event, Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { type Database, type Db, within } from '../database/database.js'
import type { Passwords } from '../passwords/passwords.js'
import type { PasswordRules } from '../passwords/rules.js'
import { Problem } from '../problems.js'
import type { Role } from '../tokens/access-tokens.js'
import { type Actor, assertStillAdmin } from './admins.js'
import { turnOf } from './hash-turns.js'
import { emailKey, namesOf, normalizeName, usernameKey, withNameKey } from './names.js'
import { prepareFindNamed, type User } from './user-rows.js'

/** A new account, as somebody typed it. */
export interface NewAccount {
  username?: string | undefined
  email?: string | undefined
  name?: string | undefined
  /** The language to write to the person in, as in BCP 47. */
  locale?: string | undefined
  password: string
}

/** A new account, as an operator adds it. Nobody can log in to one without a password before a reset token sets one. */
type AddedAccount = Omit<NewAccount, 'password'> & { password?: string }

interface CreateOptions {
  role?: Role
  /** As stored: words with a space between them. */
  roles?: string
  actor?: Actor
}

interface RegisterOptions<Result> {
  /** Whether the rules for names are those of the tutorials. */
  isTutorial?: boolean
  /** What else belongs to the registration: it is done in the same transaction, and returns what `register` does. */
  finish?: (user: User, db: Db) => Promise<Result>
}

interface Dependencies {
  config: Config
  database: Database
  passwords: Passwords
  rules: PasswordRules
  events: Events
}

/** How accounts come into being, one at a time: people register themselves, and operators add others. */
export class Registration {
  readonly #config: Config
  readonly #database: Database
  readonly #passwords: Passwords
  readonly #rules: PasswordRules
  readonly #events: Events
  readonly #named: ReturnType<typeof prepareFindNamed>

  constructor({ config, database, passwords, rules, events }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#passwords = passwords
    this.#rules = rules
    this.#events = events
    this.#named = prepareFindNamed(database)
  }

  /**
   * Adds a person. Taken names cost the same hash as free ones. With `isTutorial` a user name may be as short or long as
   * in the tutorials, and a password as weak where COMPAT_WEAK_PASSWORDS allows it; every other rule is the same.
   * @throws Problem registration_closed, username_rejected, email_rejected, name_rejected, password_rejected,
   * username_taken, email_taken
   */
  async register<Result = User>(
    account: NewAccount,
    client: Client,
    { isTutorial = false, finish = async (user) => user as Result }: RegisterOptions<Result> = {},
  ): Promise<Result> {
    if (this.#config.REGISTRATION === 'closed') throw new Problem('registration_closed')
    const { username, email } = account
    const keys = {
      usernameKey: username === undefined ? null : usernameKey(username, { isTutorial }),
      emailKey: email === undefined ? null : emailKey(email),
    }
    const add = await this.#prepare(account, keys, { client, isTutorial })
    return this.#database.transaction(async (db) => {
      const user = await add(db)
      await this.#events.record({ type: 'user.registered', userId: user.id }, client, db)
      return finish(user, db)
    })
  }

  /**
   * Adds a person for an operator, who may be an admin: also under a reserved name, and while registration is closed.
   * @throws as `register`, and invalid_token when the actor is no admin any more
   */
  async create(account: AddedAccount, { role = 'user', roles = '', actor = { id: null } }: CreateOptions = {}) {
    const { username, email } = account
    const add = await this.#prepare(account, {
      role,
      roles,
      usernameKey: username === undefined ? null : usernameKey(username, { allowReserved: true }),
      emailKey: email === undefined ? null : emailKey(email),
    })
    return this.#database.transaction(async (db) => {
      await assertStillAdmin(this.#database, db, actor)
      const user = await add(db)
      const record = (event: Pick<Event, 'type' | 'reason'>) =>
        this.#events.record({ ...event, userId: user.id, actorId: actor.id }, actor.client, db)
      await record({ type: 'user.created' })
      if (role !== 'user') await record({ type: 'user.role_changed', reason: `user to ${role}` })
      if (roles !== '') await record({ type: 'user.roles_changed', reason: `+${roles.replaceAll(' ', ' +')}` })
      return user
    })
  }

  /** All that takes long; what it resolves to adds the person within a transaction. */
  async #prepare(
    account: AddedAccount,
    columns: { usernameKey: string | null; emailKey: string | null; role?: Role; roles?: string },
    { client, isTutorial = false }: { client?: Client; isTutorial?: boolean } = {},
  ): Promise<(db: Db) => Promise<User>> {
    const { username, email, name, locale, password } = account
    const nameAndKey = withNameKey(name)
    if (password !== undefined) await this.#rules.assert(password, namesOf(account), { isTutorial })
    const turn = client && turnOf(client)
    const passwordHash = password === undefined ? null : await this.#passwords.hash(password, turn)
    const { tables, now } = this.#database
    const find = this.#named
    const row = { username, email, locale, ...nameAndKey, ...columns, passwordHash, createdAt: now, updatedAt: now }
    const folded = email === undefined ? null : normalizeName(email)
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
}
