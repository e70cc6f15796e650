import { and, desc, eq, inArray, isNotNull, or, type SQL, sql } from 'drizzle-orm'
import type { Database, Db, Tables } from '../database/database.js'
import { Problem } from '../problems.js'
import { normalizeName } from './names.js'

export type User = Tables['users']['$inferSelect']

/** No address waits to be proved. */
export const NO_PENDING_EMAIL = { pendingEmail: null, pendingEmailKey: null } as const

/** Every account has a name or an address, or waits for one; but those that are closed wait for their rows to be deleted. */
export function isKept({ users }: Tables): SQL {
  const { usernameKey, emailKey, pendingEmailKey } = users
  return sql`(${usernameKey} is not null or ${emailKey} is not null or ${pendingEmailKey} is not null)`
}

/** Whether a user name, an address or a display name holds this text, whatever its capitals. */
export function matches({ users }: Tables, search: string): SQL | undefined {
  // No backslash as the escape character: PostgreSQL can be set to read one in a literal as an escape of its own.
  const pattern = `%${normalizeName(search).replace(/[!%_]/g, '!$&')}%`
  // An address is also found by its domain as it was typed: the key holds the ASCII form of it.
  const columns = [users.usernameKey, users.emailKey, users.email, users.nameKey]
  return or(...columns.map((column) => sql`${column} like ${pattern} escape '!'`))
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

/** As `lockUser`. @throws Problem with the code `missing` where there is no such user */
export async function lockAccount(
  database: Database,
  db: Db,
  userId: number,
  missing: 'not_found' | 'invalid_token' = 'not_found',
): Promise<User> {
  const user = await lockUser(database, db, userId)
  if (user === undefined) throw new Problem(missing)
  return user
}

/** By user name or address, as by the key of today and of older versions. */
export function prepareFindNamed({ db, tables: { users } }: Database) {
  const keys = [sql.placeholder('key'), sql.placeholder('folded')]
  return db
    .select()
    .from(users)
    .where(or(inArray(users.usernameKey, keys), inArray(users.emailKey, keys)))
    .prepare('find_user_by_name')
}

/** The last account that registered with this address and has yet to prove it. */
export function prepareFindPending({ db, tables: { users } }: Database) {
  return db
    .select()
    .from(users)
    .where(and(eq(users.pendingEmailKey, sql.placeholder('key')), isNotNull(users.unprovenUntil)))
    .orderBy(desc(users.id))
    .limit(1)
    .prepare('find_pending_user')
}

/** What somebody logs in with, to be shown. */
export function identifierOf({ id, username, email }: Pick<User, 'id' | 'username' | 'email'>): string {
  return username ?? email ?? String(id)
}

/** Whether two versions of a row say the same. */
export function isSame(before: User, after: User): boolean {
  return Object.entries(after).every(([key, value]) => before[key as keyof User] === value)
}
