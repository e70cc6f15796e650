import { and, eq, isNotNull, type SQL, sql } from 'drizzle-orm'
import { type Actor, assertMayTouch, doneBy } from '../audit/actors.js'
import type { Event, Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { type Database, type Db, type Tables, within } from '../database/database.js'
import type { Passwords } from '../passwords/passwords.js'
import type { PasswordRules } from '../passwords/rules.js'
import { Problem } from '../problems.js'
import { assertManager } from '../sessions/actor-checks.js'
import type { Role } from '../tokens/access-tokens.js'
import { UNPROVEN_MS } from './addresses.js'
import { turnOf } from './hash-turns.js'
import { emailKey, namesOf, normalizeName, usernameKey, withNameKey } from './names.js'
import type { Notices } from './notices.js'
import type { SignUpCheck } from './sign-up-check.js'
import { prepareFindNamed, type User } from './user-rows.js'

/** A new account, as the user typed it. */
interface NewAccount {
  username?: string | undefined
  email?: string | undefined
  name?: string | undefined
  /** The language of mails to the user, as in BCP 47. */
  locale?: string | undefined
  password: string
}

/** A new account, as an operator adds it. Without a password, nobody can log in to it before a reset token sets one. */
type AddedAccount = Omit<NewAccount, 'password'> & { password?: string }

interface CreateOptions {
  role?: Role
  /** As stored: separated by spaces. */
  roles?: string
  actor?: Actor
  /** Further work within the same transaction. */
  finish?: (user: User, db: Db) => Promise<unknown>
}

interface RegisterOptions<Result> {
  /** Whether the rules for names are those of the tutorials. */
  isTutorial?: boolean
  /** Further work within the same transaction; `register` resolves to its result. */
  finish?: (user: User, db: Db) => Promise<Result>
}

/** A row to insert: its times are SQL expressions. */
type NewRow = Omit<Tables['users']['$inferInsert'], 'createdAt' | 'updatedAt' | 'unprovenUntil'> & {
  createdAt: SQL<number>
  updatedAt: SQL<number>
}

interface Dependencies {
  config: Config
  database: Database
  passwords: Passwords
  rules: PasswordRules
  events: Events
  notices: Notices
  signUpCheck: SignUpCheck
}

/** Makes single accounts: users register themselves, and operators add others. */
export class Registration {
  readonly #config: Config
  readonly #database: Database
  readonly #passwords: Passwords
  readonly #rules: PasswordRules
  readonly #events: Events
  readonly #notices: Notices
  readonly #signUpCheck: SignUpCheck
  readonly #named: ReturnType<typeof prepareFindNamed>

  constructor({ config, database, passwords, rules, events, notices, signUpCheck }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#passwords = passwords
    this.#rules = rules
    this.#events = events
    this.#notices = notices
    this.#signUpCheck = signUpCheck
    this.#named = prepareFindNamed(database)
  }

  /**
   * Registers a user. Taken names cost the same hash as free ones. With `isTutorial`, the length limits of user names
   * are the tutorials', and weak passwords are allowed if COMPAT_WEAK_PASSWORDS is set; all other rules are the same.
   * @throws Problem registration_closed, signup_refused, signup_check_unavailable, username_rejected, email_rejected,
   * name_rejected, password_rejected, username_taken, email_taken
   */
  async register<Result = User>(
    account: NewAccount,
    client: Client,
    { isTutorial = false, finish = async (user) => user as Result }: RegisterOptions<Result> = {},
  ): Promise<Result> {
    if (this.#config.REGISTRATION === 'closed') throw new Problem('registration_closed')
    const { username, email } = account
    // The tutorials' sign-ups have no answer for an account whose address is to be confirmed first.
    if (this.#isToBeProved && isTutorial) throw new Problem('registration_closed')
    if (this.#isToBeProved && email === undefined) throw missingEmail()
    const keys = {
      usernameKey: username === undefined ? null : usernameKey(username, { isTutorial }),
      emailKey: email === undefined ? null : emailKey(email),
    }
    const add = await this.#prepare(account, keys, { client, isTutorial })
    return this.#database.transaction(async (db) => {
      const user = await add(db)
      await this.#events.record({ type: 'user.registered', userId: user.id }, client, db)
      if (email !== undefined && this.#config.EMAIL_VERIFICATION !== 'off') {
        const mail = { purpose: 'email_verification', userId: user.id, address: email } as const
        await this.#notices.requestWithin(db, mail, client.ip)
      }
      return finish(user, db)
    })
  }

  /**
   * Adds an account (also an admin) for an operator, even with a reserved name or while registration is closed.
   * @throws as `register`, account_protected, and invalid_token if the actor is no longer an admin
   */
  async create(account: AddedAccount, { role = 'user', roles = '', actor = { id: null }, finish }: CreateOptions = {}) {
    assertMayTouch(actor, role)
    const { username, email } = account
    const add = await this.#prepare(account, {
      role,
      roles,
      usernameKey: username === undefined ? null : usernameKey(username, { allowReserved: true }),
      emailKey: email === undefined ? null : emailKey(email),
    })
    return this.#database.transaction(async (db) => {
      await assertManager(this.#database, db, actor)
      const user = await add(db)
      const record = (event: Pick<Event, 'type' | 'reason'>) =>
        this.#events.record({ ...event, userId: user.id, ...doneBy(actor) }, actor.client, db)
      await record({ type: 'user.created' })
      if (role !== 'user') await record({ type: 'user.role_changed', reason: `user to ${role}` })
      if (roles !== '') await record({ type: 'user.roles_changed', reason: `+${roles.replaceAll(' ', ' +')}` })
      await finish?.(user, db)
      return user
    })
  }

  /**
   * Checks and hashes the password, before the transaction. Resolves to a function that inserts the account within it.
   */
  async #prepare(
    account: AddedAccount,
    columns: { usernameKey: string | null; emailKey: string | null; role?: Role; roles?: string },
    { client, isTutorial = false }: { client?: Client; isTutorial?: boolean } = {},
  ): Promise<(db: Db) => Promise<User>> {
    const { username, email, name, locale, password } = account
    const nameAndKey = withNameKey(name)
    if (password !== undefined) await this.#rules.assert(password, namesOf(account), { isTutorial })
    if (client !== undefined) await this.#assertWelcome(account, client, isTutorial)
    const turn = client && turnOf(client)
    const passwordHash = password === undefined ? null : await this.#passwords.hash(password, turn)
    const { tables, now } = this.#database
    const find = this.#named
    const row = { username, email, locale, ...nameAndKey, ...columns, passwordHash, createdAt: now, updatedAt: now }
    const folded = email === undefined ? null : normalizeName(email)
    if (client !== undefined && this.#isToBeProved) return (db) => this.#insertWaiting(db, row)
    return async (db) => {
      // The unique index compares keys; older rows may store such an address under its folded form.
      if (folded !== columns.emailKey && (await within(db, find).execute({ key: folded, folded })).length > 0) {
        throw new Problem('email_taken')
      }
      const [user] = await db.insert(tables.users).values(row).onConflictDoNothing().returning()
      if (user !== undefined) return user
      const [twin] = await within(db, find).execute({ key: columns.usernameKey, folded: columns.usernameKey })
      if (twin) throw new Problem('username_taken')
      const waiting = client && (await this.#insertBeside(db, row))
      if (waiting === undefined) throw new Problem('email_taken')
      return waiting
    }
  }

  /** The tutorials' sign-ups have no error for a refusal, so that they answer as if registration were closed. */
  async #assertWelcome(account: AddedAccount, client: Client, isTutorial: boolean): Promise<void> {
    await this.#signUpCheck.assert(account, client).catch((error) => {
      const isRefused = error instanceof Problem && error.code === 'signup_refused'
      throw isTutorial && isRefused ? new Problem('registration_closed') : error
    })
  }

  get #isToBeProved(): boolean {
    return this.#config.EMAIL_VERIFICATION === 'required'
  }

  /**
   * Inserts an account that cannot log in before its address is confirmed. The statements are the same whether or not
   * another account has the address.
   */
  async #insertWaiting(db: Db, row: NewRow): Promise<User> {
    const unprovenUntil = sql`${this.#database.now} + cast(${UNPROVEN_MS} as bigint)`
    const [user] = await this.#insert(db, { ...row, ...asPending(row), unprovenUntil })
    if (user === undefined) throw new Problem('username_taken')
    return user
  }

  /**
   * Inserts an account with a pending address that another account has but has not confirmed. The first to confirm it
   * gets it.
   */
  async #insertBeside(db: Db, row: NewRow): Promise<User | undefined> {
    if (this.#config.EMAIL_VERIFICATION !== 'optional' || !row.emailKey) return undefined
    const { users } = this.#database.tables
    const isProved = and(eq(users.emailKey, row.emailKey), isNotNull(users.emailVerifiedAt))
    if ((await db.$count(users, isProved)) > 0) return undefined
    const [user] = await this.#insert(db, { ...row, ...asPending(row) })
    return user
  }

  #insert(db: Db, row: NewRow & { unprovenUntil?: SQL }) {
    return db.insert(this.#database.tables.users).values(row).onConflictDoNothing().returning()
  }
}

/** The same account, with a pending address. */
function asPending({ email = null, emailKey = null }: NewRow) {
  return { email: null, emailKey: null, pendingEmail: email, pendingEmailKey: emailKey }
}

function missingEmail(): Problem {
  return new Problem('validation_failed', { errors: [{ in: 'body', path: '/email', message: 'is required here' }] })
}
