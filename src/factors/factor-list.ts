import { and, asc, eq, isNotNull, sql } from 'drizzle-orm'
import type { Database } from '../database/database.js'

/** The confirmed factors of a user, the oldest first. */
export function prepareFactorList({ db, tables: { factors } }: Database) {
  return db
    .select()
    .from(factors)
    .where(and(eq(factors.userId, sql.placeholder('userId')), isNotNull(factors.confirmedAt)))
    .orderBy(asc(factors.createdAt), asc(factors.id))
    .prepare('list_factors')
}
