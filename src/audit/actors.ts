import { and, eq } from 'drizzle-orm'
import type { Database, Db } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Client } from './requester.js'

/** Who asks for a change: an admin or the user, by id; null for the command line. */
export interface Actor {
  id: number | null
  client?: Client
}

/**
 * Another process may honour an admin's token for a second after the role is gone. The database is asked, or they could
 * promote themselves again.
 */
export async function assertStillAdmin({ tables }: Database, db: Db, { id }: Actor): Promise<void> {
  if (id === null) return
  const { users } = tables
  const isAdmin = and(eq(users.id, id), eq(users.role, 'admin'), eq(users.isActive, true))
  if ((await db.$count(users, isAdmin)) === 0) throw new Problem('invalid_token')
}
