import { and, eq, not } from 'drizzle-orm'
import { deleteInBatches } from '../database/batches.js'
import type { Database, Db } from '../database/database.js'
import { ownedTables } from '../database/owned-tables.js'
import { isKept, NO_PENDING_EMAIL } from './user-rows.js'

/** An account with more rows than this in one table is closed at once, and its rows are deleted in batches. */
const ROWS_DELETED_AT_ONCE = 1_000

/** Whether an account has more rows than one statement should delete. */
export async function isLarge({ tables }: Database, db: Db, userId: number, rows = ROWS_DELETED_AT_ONCE) {
  for (const table of Object.values(ownedTables(tables))) {
    const beyond = db.select({ id: table.id }).from(table).where(eq(table.userId, userId)).limit(1).offset(rows)
    if ((await beyond).length > 0) return true
  }
  return false
}

/** Clears everything by which an account could be used, found or recognised; its rows are deleted later. */
export async function closeAccount({ tables: { users } }: Database, db: Db, userId: number): Promise<void> {
  const names = { username: null, usernameKey: null, email: null, emailKey: null, name: null, nameKey: null }
  await db
    .update(users)
    .set({
      ...names,
      ...NO_PENDING_EMAIL,
      unprovenUntil: null,
      passwordHash: null,
      role: 'user',
      isActive: false,
    })
    .where(eq(users.id, userId))
}

/**
 * Deletes the rows of closed accounts in batches, and then the accounts. The next call continues after an abort or a
 * crash.
 */
export async function sweepClosedAccounts(database: Database, signal?: AbortSignal): Promise<void> {
  const { db, tables } = database
  const isClosed = not(isKept(tables))
  for (const { id } of await db.select({ id: tables.users.id }).from(tables.users).where(isClosed)) {
    for (const table of Object.values(ownedTables(tables))) {
      await deleteInBatches(database, { table, key: table.id, where: eq(table.userId, id), signal })
    }
    // Rows may be left: another process is deleting the last batch, or the signal has aborted this sweep.
    if (await isLarge(database, db, id, 0)) continue
    await db.delete(tables.users).where(and(eq(tables.users.id, id), isClosed))
  }
}
