import { createHash, randomBytes } from 'node:crypto'
import { and, eq, exists, gt, isNull, lt, ne, or, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { deleteInBatches } from '../database/batches.js'
import { type Database, type Db, sole } from '../database/database.js'
import { Problem } from '../problems.js'
import type { User } from './user-rows.js'

const TOKEN_BYTES = 32
const LIFETIME_MS = 3_600_000

/**
 * One-time tokens that set a new password. An account has one at most. Who made it is stored, because an admin who is none
 * any more must not take over an account with a token kept back; null is the command line, and nothing else resets an admin.
 */
export class PasswordResets {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Makes the token of a user, in place of an earlier one, within the transaction of `db`, which has locked the user's row. */
  async create(db: Db, userId: number, createdBy: number | null): Promise<{ token: string; expiresAt: number }> {
    const { tables, now } = this.#database
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    await this.deleteOf(db, userId)
    const row = sole(
      await db
        .insert(tables.passwordResets)
        .values({
          ...{ tokenHash: hashOf(token), userId, createdBy },
          createdAt: now,
          expiresAt: sql`${now} + ${LIFETIME_MS}`,
        })
        .returning(),
    )
    return { token, expiresAt: row.expiresAt }
  }

  /** Whose token this is, while it is good. @throws Problem invalid_reset_token */
  async find(token: string): Promise<User> {
    const { db, tables } = this.#database
    const { users, passwordResets } = tables
    const [row] = await db
      .select({ user: users })
      .from(passwordResets)
      .innerJoin(users, eq(users.id, passwordResets.userId))
      .where(this.#isGood(token))
    if (row === undefined) throw new Problem('invalid_reset_token')
    return row.user
  }

  /** Uses the token up, within the transaction of `db`. Of several uses at once one succeeds. @throws as `find` */
  async use(db: Db, token: string): Promise<void> {
    const used = await db.delete(this.#database.tables.passwordResets).where(this.#isGood(token)).returning()
    if (used.length === 0) throw new Problem('invalid_reset_token')
  }

  /** Deletes the token of a user. Resolves to whether there was one. */
  async deleteOf(db: Db, userId: number): Promise<boolean> {
    const { passwordResets } = this.#database.tables
    return (await db.delete(passwordResets).where(eq(passwordResets.userId, userId)).returning()).length > 0
  }

  /** Deletes the tokens that an admin made. */
  async deleteMadeBy(db: Db, adminId: number): Promise<void> {
    const { passwordResets } = this.#database.tables
    await db.delete(passwordResets).where(eq(passwordResets.createdBy, adminId))
  }

  /** Deletes tokens that have expired. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { passwordResets: table } = this.#database.tables
    const where = lt(table.expiresAt, this.#database.now)
    await deleteInBatches(this.#database, { table, key: table.tokenHash, where, signal })
  }

  #isGood(token: string) {
    const { db, tables, now } = this.#database
    const { passwordResets } = tables
    const owner = alias(tables.users, 'owner')
    const maker = alias(tables.users, 'maker')
    const isCommandLine = isNull(passwordResets.createdBy)
    const isFromAdmin = exists(
      db
        .select({ id: maker.id })
        .from(maker)
        .where(and(eq(maker.id, passwordResets.createdBy), eq(maker.role, 'admin'), eq(maker.isActive, true))),
    )
    const mayBeReset = exists(
      db
        .select({ id: owner.id })
        .from(owner)
        .where(
          and(
            eq(owner.id, passwordResets.userId),
            eq(owner.isActive, true),
            or(isCommandLine, and(ne(owner.role, 'admin'), isFromAdmin)),
          ),
        ),
    )
    return and(eq(passwordResets.tokenHash, hashOf(token)), gt(passwordResets.expiresAt, now), mayBeReset)
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
