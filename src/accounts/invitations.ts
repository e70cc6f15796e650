import { eq, sql } from 'drizzle-orm'
import { type Actor, doneBy } from '../audit/actors.js'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import { type Database, type Db, sole } from '../database/database.js'
import { Problem } from '../problems.js'
import { usernameKey } from './names.js'
import type { NewPasswords } from './new-passwords.js'
import type { Notices } from './notices.js'
import type { Grant, Issued, OneTimeTokens } from './one-time-tokens.js'
import { lockUser, type User } from './user-rows.js'

interface Acceptance {
  password: string
  username?: string | undefined
}

interface Dependencies {
  database: Database
  oneTimeTokens: OneTimeTokens
  newPasswords: NewPasswords
  events: Events
  notices: Notices
}

/** Accounts that operators make for users, who choose the password themselves. */
export class Invitations {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Invites the user of a new account, within the transaction of `db`. Without mail, resolves to the token, which the
   * command line prints.
   * @throws Problem mail_disabled, validation_failed if the account has no address
   */
  async invite(db: Db, { id: userId, email }: User, actor: Actor): Promise<Issued | undefined> {
    const { oneTimeTokens, events, notices } = this.#dependencies
    if (actor.id !== null && !notices.isOn) throw new Problem('mail_disabled')
    if (email === null)
      throw new Problem('validation_failed', {
        errors: [{ in: 'body', path: '/email', message: 'is required to invite' }],
      })
    await events.record({ type: 'user.invited', userId, ...doneBy(actor) }, actor.client, db)
    if (!notices.isOn) return oneTimeTokens.create(db, { purpose: 'invitation', userId })
    await notices.write(db, { purpose: 'invitation', address: email, userId })
    return undefined
  }

  /** The grant of a valid invitation. @throws Problem invalid_one_time_token */
  find(token: string, client: Client): Promise<Grant> {
    return this.#dependencies.oneTimeTokens.find(['invitation'], { token }, client.ip)
  }

  /**
   * Sets the account's password and, if given, its user name. `finish` begins the session in the same transaction.
   * @throws Problem invalid_one_time_token, password_rejected, username_rejected, username_taken
   */
  async accept<Result>(
    token: string,
    { password, username }: Acceptance,
    { client, finish }: { client: Client; finish(user: User, db: Db): Promise<Result> },
  ): Promise<Result> {
    const { database, oneTimeTokens, newPasswords, events } = this.#dependencies
    const grant = await this.find(token, client)
    const names = username ? { username, usernameKey: usernameKey(username) } : {}
    const passwordHash = await newPasswords.hash({ ...grant.user, ...names }, password, client)
    return database.transaction(async (db) => {
      const { users } = database.tables
      const before = await lockUser(database, db, grant.user.id)
      await oneTimeTokens.use(db, grant)
      if (before === undefined || before.passwordHash !== null) throw new Problem('invalid_one_time_token')
      if (names.usernameKey && (await this.#isOthers(db, names.usernameKey, before.id)))
        throw new Problem('username_taken')
      const isMailed = grant.row.target !== '' && grant.row.target === before.emailKey
      const user = sole(
        await db
          .update(users)
          .set({
            ...names,
            passwordHash,
            ...(isMailed && { emailVerifiedAt: database.now }),
            authVersion: sql`${users.authVersion} + 1`,
            updatedAt: database.now,
          })
          .where(eq(users.id, before.id))
          .returning(),
      )
      await events.record({ type: 'invitation.accepted', userId: user.id }, client, db)
      return finish(user, db)
    })
  }

  async #isOthers(db: Db, key: string, userId: number): Promise<boolean> {
    const { users } = this.#dependencies.database.tables
    const [holder] = await db.select({ id: users.id }).from(users).where(eq(users.usernameKey, key))
    return holder !== undefined && holder.id !== userId
  }
}
