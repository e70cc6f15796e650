import { and, eq, type SQL, sql } from 'drizzle-orm'
import type { Database, Db, Tables } from './database.js'

export type User = Tables['users']['$inferSelect']

/** Every account has a name or an address, but those that are closed and wait for their rows to be deleted. */
export function isKept({ users }: Tables): SQL {
  return sql`(${users.usernameKey} is not null or ${users.emailKey} is not null)`
}

/** The user of this id, whose row nobody else changes until the end of the transaction of `db`. */
export async function lockUser({ tables, forUpdate }: Database, db: Db, userId: number): Promise<User | undefined> {
  const { users } = tables
  const [user] = await db
    .select()
    .from(users)
    .where(sql`${and(eq(users.id, userId), isKept(tables))} ${forUpdate}`)
  return user
}
