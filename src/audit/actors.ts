import { and, eq, isNull } from 'drizzle-orm'
import type { Database, Db } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Event } from './events.js'
import type { Client } from './requester.js'

/** The scope that a client needs to change accounts. */
const MANAGES = 'users:write'

/** A user who asks for a change: an admin or its subject, by id; null for the command line. */
export interface UserActor {
  id: number | null
  clientId?: undefined
  client?: Client
}

/** An OAuth client that asks for itself. It has no `id`: whatever compares ids, or asks for the command line, leaves it out. */
export interface ClientActor {
  id?: undefined
  clientId: string
  client: Client
}

export type Actor = UserActor | ClientActor

/**
 * Another process may honour an admin's token for a second after the role is gone. The database is asked, or they could
 * promote themselves again.
 */
export async function assertStillAdmin({ tables }: Database, db: Db, { id }: UserActor): Promise<void> {
  if (id === null) return
  const { users } = tables
  const isAdmin = and(eq(users.id, id), eq(users.role, 'admin'), eq(users.isActive, true))
  if ((await db.$count(users, isAdmin)) === 0) throw new Problem('invalid_token')
}

/** As `assertStillAdmin`; a client must still be there, and have the scope. @throws Problem invalid_token */
export async function assertManager(database: Database, db: Db, actor: Actor): Promise<void> {
  if (actor.clientId === undefined) return assertStillAdmin(database, db, actor)
  const { clients } = database.tables
  const isActive = and(eq(clients.id, actor.clientId), eq(clients.isActive, true), isNull(clients.deletedAt))
  const [client] = await db.select({ scope: clients.scope }).from(clients).where(isActive)
  if (!client?.scope.split(' ').includes(MANAGES)) throw new Problem('invalid_token')
}

/** Refuses a client that would change an admin: no person watches a client. @throws Problem account_protected */
export function assertMayTouch(actor: Actor, role: string): void {
  if (actor.clientId === undefined || role !== 'admin') return
  throw new Problem('account_protected', { detail: 'A client changes no admins, and makes none.' })
}

/** The actor's columns of an event. */
export function doneBy(actor: Actor): Pick<Event, 'actorId' | 'actorClientId'> {
  return actor.clientId === undefined ? { actorId: actor.id } : { actorClientId: actor.clientId }
}
