import { and, desc, eq, inArray, isNotNull, or, type SQL, sql } from 'drizzle-orm'
import type { AccountOwner } from '../audit/actors.js'
import type { Database, Db, Tables } from '../database/database.js'
import { Problem } from '../problems.js'
import { assertSession } from '../sessions/actor-checks.js'
import { normalizeName } from './names.js'

export type User = Tables['users']['$inferSelect']

/** Columns of an account without a pending address. */
export const NO_PENDING_EMAIL = { pendingEmail: null, pendingEmailKey: null } as const

/**
 * Whether an account is open. Only a closed account, whose rows are being deleted, has no name, address or pending
 * address.
 */
export function isKept({ users }: Tables): SQL {
  const { usernameKey, emailKey, pendingEmailKey } = users
  return sql`(${usernameKey} is not null or ${emailKey} is not null or ${pendingEmailKey} is not null)`
}

/** Whether a user name, an address or a display name contains this text, in any case. */
export function matches({ users }: Tables, search: string): SQL | undefined {
  // The escape character is not a backslash: PostgreSQL with standard_conforming_strings off treats a backslash in a
  // literal as an escape.
  const pattern = `%${normalizeName(search).replace(/[!%_]/g, '!$&')}%`
  // The address as typed is searched too: the key holds its domain in ASCII.
  const columns = [users.usernameKey, users.emailKey, users.email, users.nameKey]
  return or(...columns.map((column) => sql`${column} like ${pattern} escape '!'`))
}

/** Selects a user, and locks the row until the end of the transaction of `db`. */
export async function lockUser({ tables, forUpdate }: Database, db: Db, userId: number): Promise<User | undefined> {
  const { users } = tables
  const [user] = await db
    .select()
    .from(users)
    .where(sql`${and(eq(users.id, userId), isKept(tables))} ${forUpdate}`)
  return user
}

/** As `lockUser`. @throws Problem with the code `missing` if there is no such user */
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

/**
 * As `lockAccount`, for a change that the user makes. The row is locked first: whoever ends all sessions of the account
 * locks the row too, and so has either ended them already or waits.
 * @throws Problem invalid_token if the user is gone or the session has ended
 */
export async function lockOwnAccount(database: Database, db: Db, owner: AccountOwner): Promise<User> {
  const user = await lockAccount(database, db, owner.id, 'invalid_token')
  await assertSession(database, db, owner)
  return user
}

/** Finds users by user name or address, by the current key and by that of older versions. */
export function prepareFindNamed({ db, tables: { users } }: Database) {
  const keys = [sql.placeholder('key'), sql.placeholder('folded')]
  return db
    .select()
    .from(users)
    .where(or(inArray(users.usernameKey, keys), inArray(users.emailKey, keys)))
    .prepare('find_user_by_name')
}

/** The last account that registered with this address and has not confirmed it. */
export function prepareFindPending({ db, tables: { users } }: Database) {
  return db
    .select()
    .from(users)
    .where(and(eq(users.pendingEmailKey, sql.placeholder('key')), isNotNull(users.unprovenUntil)))
    .orderBy(desc(users.id))
    .limit(1)
    .prepare('find_pending_user')
}

/** The name that a user logs in with, for display. */
export function identifierOf({ id, username, email }: Pick<User, 'id' | 'username' | 'email'>): string {
  return username ?? email ?? String(id)
}

/** Whether two versions of a row are equal. */
export function isSame(before: User, after: User): boolean {
  return Object.entries(after).every(([key, value]) => before[key as keyof User] === value)
}
