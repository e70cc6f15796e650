import type { FastifyRequest } from 'fastify'
import { Problem } from '../problems.js'
import type { Event } from './events.js'
import { type Client, clientOf } from './requester.js'

/** The user who makes a change: an admin or the account owner, by id. Null for the command line. */
export interface UserActor {
  id: number | null
  /** The session of the request. */
  sessionId?: string
  clientId?: undefined
  client?: Client
}

/** A user who changes the own account. */
export interface AccountOwner extends UserActor {
  id: number
}

/** An OAuth client that acts for itself. It has no `id`, so it never passes for a user or for the command line. */
interface ClientActor {
  id?: undefined
  clientId: string
  client: Client
}

export type Actor = UserActor | ClientActor

/** The user of a request. */
export function actorOf(request: FastifyRequest): AccountOwner {
  const { userId, sessionId } = request.user
  return { id: userId, sessionId, client: clientOf(request) }
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
