import { randomUUID } from 'node:crypto'
import { and, asc, eq, getTableColumns, lte, sql } from 'drizzle-orm'
import { identifierKey } from '../accounts/names.js'
import type { User } from '../accounts/user-rows.js'
import { afterCommit, type Database, type Db, type Tables, within } from '../database/database.js'
import { Problem } from '../problems.js'
import type { MailBudgets } from './budgets.js'
import type { Purpose } from './purposes.js'

/** How long a claim on a mail lasts before another process takes the mail: longer than any attempt. */
const CLAIM_MS = 120_000

export type OutboxRow = Tables['outbox']['$inferSelect'] & {
  /** In milliseconds. */
  age: number
}

/** A mail to write. */
export interface OutgoingMail {
  purpose: Purpose
  /** In any spelling. */
  address: string
  /** The account of the mail. Without it, the account is looked up when the mail is sent. */
  userId?: number
  /** The requested language, for a mail to an address that may have no account. */
  locale?: string | null | undefined
}

/**
 * Mails to be sent. A mail is inserted in the transaction of the change that causes it: a rollback sends no mail, and a
 * crash after the commit loses none. No request waits for a mail server.
 */
export class Outbox {
  /** Whether this service sends mail. If not, nothing is written. */
  readonly isOn: boolean
  readonly #database: Database
  readonly #budgets: MailBudgets
  readonly #statements: ReturnType<typeof prepareStatements>
  #onWritten = () => {}

  constructor(database: Database, { isOn, budgets }: { isOn: boolean; budgets: MailBudgets }) {
    this.isOn = isOn
    this.#database = database
    this.#budgets = budgets
    this.#statements = prepareStatements(database)
  }

  /** Sets the listener that is called after the commit of each mail by this process. */
  onWritten(listener: () => void): void {
    this.#onWritten = listener
  }

  /** Writes a mail, within the transaction of `db`. Does nothing if mail is off. */
  async write(db: Db, { purpose, address, userId, locale }: OutgoingMail): Promise<void> {
    if (!this.isOn) return
    await within(db, this.#statements.insert).execute({
      id: randomUUID(),
      purpose,
      address: identifierKey(address),
      userId: userId ?? null,
      locale: locale ?? null,
    })
    afterCommit(db, () => this.#onWritten())
  }

  /**
   * Writes a mail for an unauthenticated client with this IP address. Beyond the budgets, nothing is written and no error
   * is reported. The statements do not depend on whether the mail's address has an account.
   * @throws Problem mail_disabled
   */
  async request(mail: OutgoingMail, ip: string): Promise<void> {
    if (!this.isOn) throw new Problem('mail_disabled')
    await this.#database.transaction((db) => this.requestWithin(db, mail, ip))
  }

  /** As `request`, within the transaction of `db`. Does nothing if mail is off. */
  async requestWithin(db: Db, mail: OutgoingMail, ip: string): Promise<void> {
    if (this.isOn && (await this.#budgets.takeRequest(db, mail.address, ip))) await this.write(db, mail)
  }

  /**
   * Notifies the owner of an account of a change, at the account's address, within the transaction `db` of the change.
   * Does nothing for an account without an address, or beyond the budget of notices.
   */
  async notify(db: Db, purpose: Purpose, { id: userId, email: address }: Pick<User, 'id' | 'email'>): Promise<void> {
    if (!this.isOn || address === null) return
    if (await this.#budgets.takeNotice(db, address)) await this.write(db, { purpose, address, userId })
  }

  /**
   * Stores which token was made for a mail, within the transaction of `db`. Resolves to whether this process still held
   * the claim.
   */
  async keepToken(db: Db, row: OutboxRow, tokenId: string): Promise<boolean> {
    return (await within(db, this.#statements.keepToken).execute({ ...fence(row), tokenId })).length > 0
  }

  /** Claims due mails: no other process claims them for the next two minutes. */
  async claim(limit: number): Promise<OutboxRow[]> {
    return this.#statements.claim.execute({ limit })
  }

  /**
   * Removes a mail that was sent or has failed for good, within the transaction of `db`. Resolves to whether this
   * process still held the claim.
   */
  async remove(db: Db, row: OutboxRow): Promise<boolean> {
    return (await within(db, this.#statements.remove).execute(fence(row))).length > 0
  }

  /** Makes the mail due again after this many milliseconds. */
  async postpone(row: OutboxRow, delayMs: number): Promise<void> {
    await this.#statements.postpone.execute({ ...fence(row), delayMs })
  }
}

/** Identifies a claim: if it expired and another process has claimed the mail, the count of attempts differs. */
function fence({ id, attempts }: OutboxRow) {
  return { id, attempts }
}

function prepareStatements({ db, tables: { outbox }, now, forUpdateSkipLocked }: Database) {
  const { id, attempts, dueAt, createdAt } = outbox
  const isHeld = and(eq(id, sql.placeholder('id')), eq(attempts, sql.placeholder('attempts')))
  // A CTE, which PostgreSQL evaluates once: it might evaluate a subquery again, and lock more rows than the limit.
  const due = db.$with('due', { id }).as(
    sql`select ${id} from ${outbox} where ${lte(dueAt, now)} order by ${asc(dueAt)}
        limit cast(${sql.placeholder('limit')} as integer) ${forUpdateSkipLocked}`,
  )
  return {
    insert: db
      .insert(outbox)
      .values({
        id: sql.placeholder('id'),
        purpose: sql.placeholder('purpose'),
        address: sql.placeholder('address'),
        userId: sql.placeholder('userId'),
        locale: sql.placeholder('locale'),
        dueAt: now,
        createdAt: now,
      })
      .prepare('insert_mail'),
    claim: db
      .with(due)
      .update(outbox)
      .set({ attempts: sql`${attempts} + 1`, dueAt: sql`${now} + ${CLAIM_MS}` })
      .where(sql`${id} in (select id from due)`)
      .returning({ ...getTableColumns(outbox), age: sql`${now} - ${createdAt}`.mapWith(Number) })
      .prepare('claim_mails'),
    keepToken: db
      .update(outbox)
      .set({ tokenId: sql`${sql.placeholder('tokenId')}` })
      .where(isHeld)
      .returning({ id })
      .prepare('keep_token_of_mail'),
    remove: db.delete(outbox).where(isHeld).returning({ id }).prepare('remove_mail'),
    postpone: db
      .update(outbox)
      .set({ dueAt: sql`${now} + cast(${sql.placeholder('delayMs')} as bigint)` })
      .where(isHeld)
      .prepare('postpone_mail'),
  }
}
