import { sql } from 'drizzle-orm'
import type { Database } from '../database/database.js'

/**
 * Prepares a statement that takes one from the budget `key`, which has `limit` for each window, and returns how many
 * are taken. The statement returns no row if nothing is left, so that concurrent calls cannot exceed the limit.
 */
export function prepareTake({ db, tables: { throttle }, now }: Database, windowMs: number, statement: string) {
  const isOver = sql`${throttle.until} <= ${now}`
  const nextEnd = sql`${now} + ${windowMs}`
  return db
    .insert(throttle)
    .values({ key: sql.placeholder('key'), tries: 1, until: nextEnd, updatedAt: now })
    .onConflictDoUpdate({
      target: throttle.key,
      set: {
        tries: sql`case when ${isOver} then 1 else ${throttle.tries} + 1 end`,
        until: sql`case when ${isOver} then ${nextEnd} else ${throttle.until} end`,
        updatedAt: now,
      },
      setWhere: sql`(${isOver} or ${throttle.tries} < cast(${sql.placeholder('limit')} as bigint))`,
    })
    .returning({ tries: throttle.tries })
    .prepare(statement)
}
