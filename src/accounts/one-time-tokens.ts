import { randomBytes } from 'node:crypto'
import { and, eq, exists, gt, inArray, isNull, lt, ne, or, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { deleteInBatches } from '../database/batches.js'
import { type Database, type Db, within } from '../database/database.js'
import { networksOf } from '../networks.js'
import { Problem } from '../problems.js'
import { type DerivedKeys, pseudonym, type Secret } from '../tokens/secret.js'
import { codeOf, idOf, isCodeOf, isTokenOf, type TokenPurpose, type TokenRow, tokenOf } from './one-time-codes.js'
import type { User } from './user-rows.js'
import { prepareTake } from './window-budgets.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const LIFETIMES_MS: Record<TokenPurpose, number> = {
  password_reset: HOUR_MS,
  email_verification: DAY_MS,
  email_change: DAY_MS,
  email_undo: 7 * DAY_MS,
  invitation: 7 * DAY_MS,
  login: HOUR_MS / 6,
  enrollment: HOUR_MS,
  enrollment_link: DAY_MS,
}
/** A code is invalid after this many wrong tries; its link stays valid. */
const CODE_TRIES = 5
/** A network may try this many codes in a window, right or wrong. */
const NETWORK_CODES = 100
const NETWORK_WINDOW_MS = HOUR_MS / 4
/** Purposes that a thief may have requested. They are revoked by a new password or a log-out everywhere. */
export const BEGUN_BY_ANYBODY = ['password_reset', 'email_change', 'login', 'enrollment', 'enrollment_link'] as const

/** The token of a link, or a code with the address that it was mailed to, folded. */
export type Shown = { token: string } | { target: string; code: string }

/** A row that the token or code belongs to. */
export interface Grant {
  row: TokenRow
  user: User
  shown: Shown
}

interface Wanted {
  purpose: TokenPurpose
  userId: number
  target?: string
  createdBy?: number | null
  /** When the token was requested, by the database's clock. */
  createdAt?: number
}

export interface Issued {
  id: string
  token: string
  code: string
  expiresAt: number
}

/**
 * One-time tokens. An account has at most one token for each purpose. The table stores which admin made a token,
 * because a former admin must not use a token kept back; null is the command line or the user, and only these reset an
 * admin. A row, or its id in the outbox, is not enough to make the token: that takes the secret.
 */
export class OneTimeTokens {
  readonly #database: Database
  readonly #keys: DerivedKeys
  readonly #throttleKey: Buffer
  readonly #take: ReturnType<typeof prepareTake>

  constructor(database: Database, secret: Secret) {
    this.#database = database
    this.#keys = secret.derive('one-time-token')
    this.#throttleKey = secret.derive('throttle')[0]
    this.#take = prepareTake(database, NETWORK_WINDOW_MS, 'take_code')
  }

  /**
   * Makes the token of a user and replaces an earlier one, within the transaction of `db`, which has locked the user's
   * row. Undefined if there is a token that was requested later.
   */
  async create(db: Db, { createdBy = null, target = '', createdAt, ...wanted }: Wanted): Promise<Issued | undefined> {
    const { tables, now } = this.#database
    const { oneTimeTokens: table } = tables
    const since = createdAt ?? now
    const values = {
      ...wanted,
      id: randomBytes(16).toString('base64url'),
      target,
      tries: 0,
      createdBy,
      createdAt: since,
      expiresAt: sql`${since} + cast(${LIFETIMES_MS[wanted.purpose]} as bigint)`,
    }
    const isOver = lt(table.expiresAt, now)
    const [row] = await db
      .insert(table)
      .values(values)
      .onConflictDoUpdate({
        target: [table.userId, table.purpose],
        set: values,
        // The first undo stays: otherwise a thief who changes the address twice would invalidate the owner's undo.
        setWhere: wanted.purpose === 'email_undo' ? isOver : sql`(${isOver} or ${table.createdAt} <= ${since})`,
      })
      .returning()
    return row && this.#issued(row)
  }

  /** The same token and code, if the row still exists. */
  async again(db: Db, id: string): Promise<Issued | undefined> {
    const { oneTimeTokens: table } = this.#database.tables
    const [row] = await db.select().from(table).where(eq(table.id, id))
    return row && this.#issued(row)
  }

  /**
   * The row and user of a token or code that is valid for one of the purposes. A code takes a try first, so that at
   * most five concurrent guesses are compared.
   * @throws Problem invalid_reset_token for a reset, invalid_one_time_token, too_many_attempts
   */
  async find(purposes: readonly TokenPurpose[], shown: Shown, ip: string): Promise<Grant> {
    const { db, tables } = this.#database
    const { oneTimeTokens: table, users } = tables
    const rows = 'token' in shown ? await this.#byToken(shown.token) : await this.#byCode(purposes, shown.target, ip)
    const row = rows.find((row) => purposes.includes(row.purpose) && this.#isOf(row, shown))
    if (row === undefined) throw refusal(purposes)
    const [found] = await db
      .select({ user: users })
      .from(table)
      .innerJoin(users, eq(users.id, table.userId))
      .where(and(eq(table.id, row.id), this.#isGood()))
    if (found === undefined) throw refusal(purposes)
    return { row, user: found.user, shown }
  }

  /**
   * Uses up the row, within the transaction of `db`, which has locked the user's row. Of concurrent uses, one succeeds.
   * The deleted row is compared again, because a row with the same id may have been inserted meanwhile.
   * @throws as `find`
   */
  async use(db: Db, { row, shown }: Grant): Promise<void> {
    const { oneTimeTokens: table } = this.#database.tables
    const [used] = await db
      .delete(table)
      .where(and(eq(table.id, row.id), this.#isGood()))
      .returning()
    if (used === undefined || used.purpose !== row.purpose || !this.#isOf(used, shown)) throw refusal([row.purpose])
  }

  /** Returns the try of a right code whose request was refused for another reason. */
  async giveBack({ row, shown }: Grant): Promise<void> {
    if ('token' in shown) return
    const { oneTimeTokens: table } = this.#database.tables
    await this.#database.db
      .update(table)
      .set({ tries: sql`${table.tries} - 1` })
      .where(and(eq(table.id, row.id), gt(table.tries, 0)))
  }

  /** Deletes the tokens of a user, or those of some purposes. Resolves to whether there were any. */
  async deleteOf(db: Db, userId: number, purposes?: readonly TokenPurpose[]): Promise<boolean> {
    const { oneTimeTokens: table } = this.#database.tables
    const where = and(eq(table.userId, userId), purposes && inArray(table.purpose, [...purposes]))
    return (await db.delete(table).where(where).returning({ id: table.id })).length > 0
  }

  /** Deletes the tokens that an admin made. */
  async deleteMadeBy(db: Db, adminId: number): Promise<void> {
    const { oneTimeTokens: table } = this.#database.tables
    await db.delete(table).where(eq(table.createdBy, adminId))
  }

  /** Deletes tokens that have expired. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { oneTimeTokens: table } = this.#database.tables
    const where = lt(table.expiresAt, this.#database.now)
    await deleteInBatches(this.#database, { table, key: table.id, where, signal })
  }

  #issued(row: TokenRow): Issued {
    const { id, expiresAt } = row
    return { id, token: tokenOf(row, this.#keys), code: codeOf(row, this.#keys), expiresAt }
  }

  #isOf(row: TokenRow, shown: Shown): boolean {
    return 'token' in shown ? isTokenOf(row, shown.token, this.#keys) : isCodeOf(row, shown.code, this.#keys)
  }

  async #byToken(token: string): Promise<TokenRow[]> {
    const id = idOf(token)
    if (id === undefined) return []
    const { oneTimeTokens: table } = this.#database.tables
    return this.#database.db.select().from(table).where(eq(table.id, id))
  }

  /**
   * The rows that a code may belong to: several accounts may have requested one address. The try is committed before
   * the comparison. The network's budget makes the transaction write even if no account has the address.
   */
  #byCode(purposes: readonly TokenPurpose[], target: string, ip: string): Promise<TokenRow[]> {
    const { oneTimeTokens: table } = this.#database.tables
    const isOpen = and(inArray(table.purpose, [...purposes]), eq(table.target, target), lt(table.tries, CODE_TRIES))
    return this.#database.transaction(async (db) => {
      for (const { key: network, share } of networksOf(ip)) {
        const key = `code-network:${pseudonym(this.#throttleKey, 'code-network', network)}`
        const [taken] = await within(db, this.#take).execute({ key, limit: NETWORK_CODES * share })
        if (taken === undefined) throw tooMany()
      }
      // A token that was handed over has no address, and no code.
      if (target === '') return []
      return db
        .update(table)
        .set({ tries: sql`${table.tries} + 1` })
        .where(and(isOpen, gt(table.expiresAt, this.#database.now)))
        .returning()
    })
  }

  #isGood(): SQL | undefined {
    const { db, tables, now } = this.#database
    const { oneTimeTokens: table } = tables
    const owner = alias(tables.users, 'owner')
    const maker = alias(tables.users, 'maker')
    const isFromAdmin = exists(
      db
        .select({ id: maker.id })
        .from(maker)
        .where(and(eq(maker.id, table.createdBy), eq(maker.role, 'admin'), eq(maker.isActive, true))),
    )
    const isMakerAllowed = or(isNull(table.createdBy), and(ne(owner.role, 'admin'), isFromAdmin))
    const isAllowed = exists(
      db
        .select({ id: owner.id })
        .from(owner)
        .where(and(eq(owner.id, table.userId), eq(owner.isActive, true), isMakerAllowed)),
    )
    return and(gt(table.expiresAt, now), isAllowed)
  }
}

function refusal(purposes: readonly TokenPurpose[]): Problem {
  return new Problem(purposes.includes('password_reset') ? 'invalid_reset_token' : 'invalid_one_time_token')
}

function tooMany(): Problem {
  return new Problem('too_many_attempts', { headers: { 'retry-after': String(NETWORK_WINDOW_MS / 1_000) } })
}
