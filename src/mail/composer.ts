import { and, desc, eq, gt, type SQL } from 'drizzle-orm'
import { identifierKey } from '../accounts/names.js'
import type { TokenPurpose } from '../accounts/one-time-codes.js'
import type { Issued, OneTimeTokens } from '../accounts/one-time-tokens.js'
import { isKept, lockUser, type User } from '../accounts/user-rows.js'
import type { Config } from '../config/config.js'
import { parseMailbox } from '../config/mail-url.js'
import type { Database, Db } from '../database/database.js'
import type { Outbox, OutboxRow } from './outbox.js'
import { definitionOf, isPurpose, localeOf, type Purpose } from './purposes.js'
import { deliverable, shownName } from './recipients.js'
import type { Templates } from './templates.js'
import type { Mail } from './transport.js'
import type { Values } from './words.js'

interface Dependencies {
  database: Database
  config: Config
  outbox: Outbox
  templates: Templates
  tokens: OneTimeTokens
}

interface About {
  user: User
  purpose: Purpose
}

/** Composes the mail of an outbox row: finds the account, and makes the mail's token. */
export class MailComposer {
  readonly #dependencies: Dependencies
  readonly #service: string

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
    this.#service = serviceName(dependencies.config)
  }

  /** Undefined if no mail is to be sent: the account is gone, or the address is no longer its own. */
  compose(row: OutboxRow): Promise<Mail | undefined> {
    const { purpose } = row
    if (!isPurpose(purpose)) return Promise.resolve(undefined)
    return this.#dependencies.database.transaction(async (db) => {
      const about = await this.#find(db, { ...row, purpose })
      const to = about && recipientOf(about, row)
      if (about === undefined || to === undefined) return undefined
      const values = await this.#valuesFor(db, about, row)
      if (values === undefined) return undefined
      const locale = localeOf(about.user.locale ?? row.locale)
      const content = this.#dependencies.templates.compose(about.purpose, locale, values)
      const { link, code } = values
      return { id: row.id, purpose: about.purpose, locale, to, ...content, link, code }
    })
  }

  /**
   * The account and the kind of the mail. A user who registers the address of another account gets no error: a
   * mail notifies that account's owner.
   */
  async #find(db: Db, row: OutboxRow & { purpose: Purpose }): Promise<About | undefined> {
    const { tables } = this.#dependencies.database
    const { purpose, userId, address } = row
    const { users } = tables
    const select = (where: SQL | undefined) =>
      db
        .select()
        .from(users)
        .where(and(where, isKept(tables)))
        .orderBy(desc(users.id))
        .limit(1)
    const [user] = await select(userId === null ? eq(users.emailKey, address) : eq(users.id, userId))
    // An unconfirmed address may belong to another person, and the account to an attacker who registered first.
    const isForOwner = purpose === 'login' || purpose === 'enrollment'
    if (isForOwner && user?.emailVerifiedAt === null) return undefined
    if (purpose === 'email_undo' && user && (await this.#hasOtherUndo(db, user, row)))
      return { user, purpose: 'email_changed' }
    if (purpose !== 'email_verification' && purpose !== 'email_change') return user && { user, purpose }
    if (user?.emailKey === address) return user.emailVerifiedAt === null ? { user, purpose } : undefined
    // If several accounts wait for one address, the latest.
    const [pending] = user === undefined && userId === null ? await select(eq(users.pendingEmailKey, address)) : [user]
    if (pending?.pendingEmailKey !== address) return undefined
    const [holder] = userId === null ? [] : await select(eq(users.emailKey, address))
    const keeps =
      holder && (holder.emailVerifiedAt !== null || this.#dependencies.config.EMAIL_VERIFICATION !== 'optional')
    if (keeps) return { user: holder, purpose: 'account_exists' }
    return { user: pending, purpose: pending.emailKey === null ? 'email_verification' : 'email_change' }
  }

  /** Whether an earlier change can still be undone. Its token stays, so the mail of a later change has none. */
  async #hasOtherUndo(db: Db, { id }: User, { tokenId }: OutboxRow): Promise<boolean> {
    const { tables, now } = this.#dependencies.database
    const { oneTimeTokens: table } = tables
    const isUndo = and(eq(table.userId, id), eq(table.purpose, 'email_undo'), gt(table.expiresAt, now))
    return tokenId === null && (await db.$count(table, isUndo)) > 0
  }

  async #valuesFor(db: Db, { user, purpose }: About, row: OutboxRow): Promise<Values | undefined> {
    const common = { service: this.#service, name: shownName(user), time: minuteOf(row.createdAt) }
    const { token: kind, page, hasCode } = definitionOf(purpose)
    if (kind === undefined) return common
    const issued = await this.#issue(db, row, { purpose: kind, userId: user.id })
    if (issued === undefined) return undefined
    const link = page && linkTo(this.#dependencies.config, page, issued.token)
    // Without a page to link to, the user types the token itself.
    return { ...common, link, code: hasCode ? issued.code : link === undefined ? issued.token : undefined }
  }

  /**
   * The token of a mail. Each attempt sends the same token, because receivers drop a second mail with the same
   * Message-ID. Undefined if the token was used meanwhile, or a later mail was requested.
   */
  async #issue(db: Db, row: OutboxRow, whose: { purpose: TokenPurpose; userId: number }): Promise<Issued | undefined> {
    const { tokens, outbox } = this.#dependencies
    if (row.tokenId !== null) return tokens.again(db, row.tokenId)
    // Locks the user before the token, like every transaction.
    await lockUser(this.#dependencies.database, db, whose.userId)
    const issued = await tokens.create(db, { ...whose, target: row.address, createdAt: row.createdAt })
    return issued && (await outbox.keepToken(db, row, issued.id)) ? issued : undefined
  }
}

/** The name of the service in mails: BRAND_NAME, the name of the sender, or the host. */
export function serviceName(config: Pick<Config, 'BRAND_NAME' | 'MAIL_FROM' | 'PUBLIC_URL'>): string {
  const { BRAND_NAME, MAIL_FROM, PUBLIC_URL } = config
  return BRAND_NAME || parseMailbox(MAIL_FROM).name || new URL(PUBLIC_URL).host
}

/**
 * The recipient: the address as stored in the account, never as typed. Undefined if the account has another address by
 * now, or if mail cannot be sent to it. Notices of past changes go to the address at that time.
 */
function recipientOf({ user, purpose }: About, { address }: OutboxRow): string | undefined {
  const stored = [user.email, user.pendingEmail].find((email) => email !== null && identifierKey(email) === address)
  const { isPast = false } = definitionOf(purpose)
  if (!stored) return isPast ? deliverable(address) : undefined
  return isPast || user.isActive ? deliverable(stored) : undefined
}

/** Never built from a request's Host header: an attacker would have the token sent to their own host. */
function linkTo({ MAIL_LINKS }: Config, page: string, token: string): string | undefined {
  if (MAIL_LINKS === '') return undefined
  return MAIL_LINKS.replaceAll('{page}', page).replaceAll('{token}', encodeURIComponent(token))
}

function minuteOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length).replace('T', ' ')} UTC`
}
