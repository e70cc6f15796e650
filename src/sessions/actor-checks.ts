import { and, eq, isNull } from 'drizzle-orm'
import type { Actor, UserActor } from '../audit/actors.js'
import type { Database, Db } from '../database/database.js'
import { Problem } from '../problems.js'

/** The scope that a client needs to change accounts. */
const MANAGES = 'users:write'

/**
 * Checks in the database that the actor's session has not ended. This process may accept the session for a second after
 * another process has ended it, and a thief could make a new password, factor, API key or admin in that second.
 * @throws Problem invalid_token
 */
export async function assertSession({ tables }: Database, db: Db, { sessionId }: UserActor): Promise<void> {
  if (sessionId === undefined) return
  const { sessions } = tables
  const isLive = and(eq(sessions.id, sessionId), isNull(sessions.revokedAt))
  if ((await db.$count(sessions, isLive)) === 0) throw new Problem('invalid_token')
}

/**
 * Checks the database that the actor is still an admin, in a session that has not ended. Another process may accept an
 * admin's token for a second after the role was removed, and the former admin could restore the role.
 */
export async function assertStillAdmin(database: Database, db: Db, actor: UserActor): Promise<void> {
  const { id } = actor
  if (id === null) return
  await assertSession(database, db, actor)
  const { users } = database.tables
  const isAdmin = and(eq(users.id, id), eq(users.role, 'admin'), eq(users.isActive, true))
  if ((await db.$count(users, isAdmin)) === 0) throw new Problem('invalid_token')
}

/** Like `assertStillAdmin`; a client must be active and have the scope. @throws Problem invalid_token */
export async function assertManager(database: Database, db: Db, actor: Actor): Promise<void> {
  if (actor.clientId === undefined) return assertStillAdmin(database, db, actor)
  const { clients } = database.tables
  const isActive = and(eq(clients.id, actor.clientId), eq(clients.isActive, true), isNull(clients.deletedAt))
  const [client] = await db.select({ scope: clients.scope }).from(clients).where(isActive)
  if (!client?.scope.split(' ').includes(MANAGES)) throw new Problem('invalid_token')
}
