import { and, eq, isNull } from 'drizzle-orm'
import type { Database, Db } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Event } from './events.js'
import type { Client } from './requester.js'

/** The scope that a client needs to change accounts. */
const MANAGES = 'users:write'

/** The user who makes a change: an admin or the account owner, by id. Null for the command line. */
export interface UserActor {
  id: number | null
  clientId?: undefined
  client?: Client
}

/** An OAuth client that acts for itself. It has no `id`, so it never passes for a user or for the command line. */
export interface ClientActor {
  id?: undefined
  clientId: string
  client: Client
}

export type Actor = UserActor | ClientActor

/**
 * Checks the database that the actor is still an admin. Another process may accept an admin's token for a second after
 * the role was removed, and the former admin could restore the role.
 */
export async function assertStillAdmin({ tables }: Database, db: Db, { id }: UserActor): Promise<void> {
  if (id === null) return
  const { users } = tables
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

/** Refuses changes to an admin by a client, because no person supervises a client. @throws Problem account_protected */
export function assertMayTouch(actor: Actor, role: string): void {
  if (actor.clientId === undefined || role !== 'admin') return
  throw new Problem('account_protected', { detail: 'A client cannot change or create admins.' })
}

/** The event columns for the actor. */
export function doneBy(actor: Actor): Pick<Event, 'actorId' | 'actorClientId'> {
  return actor.clientId === undefined ? { actorId: actor.id } : { actorClientId: actor.clientId }
}
