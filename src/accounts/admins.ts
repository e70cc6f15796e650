import { eq, sql } from 'drizzle-orm'
import type { Database, Db } from '../database/database.js'
import { Problem } from '../problems.js'

/**
 * Locks the rows of all admins until the end of the transaction, and resolves to the ids of the active ones. A
 * statement that waited for another transaction may miss an admin whom that transaction added, so the select is
 * repeated until its result no longer changes.
 */
export async function lockAdmins({ forUpdate, tables }: Database, db: Db): Promise<number[]> {
  const { users } = tables
  const select = () =>
    db
      .select({ id: users.id, isActive: users.isActive })
      .from(users)
      .where(eq(users.role, 'admin'))
      .orderBy(sql`${users.id} ${forUpdate}`)
  for (let before = ''; ; ) {
    const admins = await select()
    const after = JSON.stringify(admins)
    if (after === before) return admins.filter(({ isActive }) => isActive).map(({ id }) => id)
    before = after
  }
}

export function assertNotLast(admins: number[], userId: number): void {
  if (admins.length === 1 && admins[0] === userId) throw new Problem('last_admin')
}
