import { and, eq } from 'drizzle-orm'
import { identifierKey } from '../accounts/names.js'
import { isKept, type User } from '../accounts/user-rows.js'
import type { Config } from '../config/config.js'
import { parseMailbox } from '../config/mail-url.js'
import type { Database, Db } from '../database/database.js'
import type { OutboxRow } from './outbox.js'
import { definitionOf, isPurpose, localeOf, type Purpose } from './purposes.js'
import { deliverable, shownName } from './recipients.js'
import type { Templates } from './templates.js'
import type { Mail } from './transport.js'
import type { Values } from './words.js'

/** Makes one-time tokens. */
export interface TokenIssuer {
  /** A token, and for most purposes a code, good for the target address of this user alone. */
  issue(
    db: Db,
    grant: { purpose: string; userId: number; target: string },
  ): Promise<{ token: string; code?: string | undefined }>
}

interface Dependencies {
  database: Database
  config: Config
  templates: Templates
  /** Without it, mails that carry a token are dropped. */
  tokens?: TokenIssuer | undefined
}

/** Makes a mail of a row of the outbox: finds the account, and makes the token that the mail carries. */
export class MailComposer {
  readonly #dependencies: Dependencies
  readonly #service: string

  constructor(dependencies: Dependencies) {
    const { MAIL_FROM, PUBLIC_URL } = dependencies.config
    this.#dependencies = dependencies
    this.#service = serviceName({ MAIL_FROM, PUBLIC_URL })
  }

  /** Undefined where nobody is to have the mail: there is no such account, or the address is no longer its own. */
  compose(row: OutboxRow): Promise<Mail | undefined> {
    const { purpose } = row
    if (!isPurpose(purpose)) return Promise.resolve(undefined)
    return this.#dependencies.database.transaction(async (db) => {
      const user = await this.#find(db, row)
      const to = user && recipientOf(user, row)
      if (user === undefined || to === undefined) return undefined
      const values = await this.#valuesFor(db, { row, user, purpose })
      if (values === undefined) return undefined
      const locale = localeOf(user.locale ?? row.locale)
      const content = this.#dependencies.templates.compose(purpose, locale, values)
      const { link, code } = values
      return { id: row.id, purpose, locale, to, ...content, link, code }
    })
  }

  async #find(db: Db, { userId, address }: OutboxRow): Promise<User | undefined> {
    const { tables } = this.#dependencies.database
    const { users } = tables
    const [user] = await db
      .select()
      .from(users)
      .where(and(userId === null ? eq(users.emailKey, address) : eq(users.id, userId), isKept(tables)))
    return user
  }

  async #valuesFor(db: Db, about: { row: OutboxRow; user: User; purpose: Purpose }): Promise<Values | undefined> {
    const { row, user, purpose } = about
    const common = { service: this.#service, name: shownName(user), time: minuteOf(row.createdAt) }
    const { token: kind, page } = definitionOf(purpose)
    if (kind === undefined) return common
    const { tokens, config } = this.#dependencies
    if (tokens === undefined) return undefined
    const { token, code } = await tokens.issue(db, { purpose: kind, userId: user.id, target: row.address })
    const link = page && linkTo(config, page, token)
    // Without a page to go to, the token itself is what one types where there is no code.
    return { ...common, link, code: code ?? (link === undefined ? token : undefined) }
  }
}

/** What the service is called: the name of its sender, else its host. */
export function serviceName({ MAIL_FROM, PUBLIC_URL }: Pick<Config, 'MAIL_FROM' | 'PUBLIC_URL'>): string {
  return parseMailbox(MAIL_FROM).name || new URL(PUBLIC_URL).host
}

/**
 * The address to send to, as the account has it and never as it was typed. Undefined where the account has another by now,
 * but for notices, which go to where the account was when the deed was done, or where mail cannot go at all.
 */
function recipientOf(user: User, { purpose, address }: OutboxRow): string | undefined {
  const stored = [user.email, user.pendingEmail].find((email) => email !== null && identifierKey(email) === address)
  const isNotice = isPurpose(purpose) && definitionOf(purpose).token === undefined
  if (!stored) return isNotice ? deliverable(address) : undefined
  return isNotice || user.isActive ? deliverable(stored) : undefined
}

/** Never made from a request's Host header: a stranger would have the token sent to a host of their own. */
function linkTo({ MAIL_LINKS }: Config, page: string, token: string): string | undefined {
  if (MAIL_LINKS === '') return undefined
  return MAIL_LINKS.replaceAll('{page}', page).replaceAll('{token}', encodeURIComponent(token))
}

function minuteOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length).replace('T', ' ')} UTC`
}
