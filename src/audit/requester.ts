import type { FastifyRequest } from 'fastify'
import { addressOfClient } from '../networks.js'

/** Where a request comes from, as sessions and the audit log remember it. */
export interface Client {
  /** In its canonical form. */
  ip: string
  userAgent?: string | undefined
  requestId?: string
  /** Whether the connection is closed, so that nobody waits for the answer. */
  isGone?(): boolean
  /** The pattern of the route, such as `POST /v1/login`. */
  door?(): string
}

export function clientOf(request: FastifyRequest): Client {
  const { id, headers, socket } = request
  const ip = addressOfClient(request)
  return {
    ip,
    requestId: id,
    userAgent: headers['user-agent'],
    isGone: () => socket.destroyed,
    door: () => doorOf(request),
  }
}

/** The method and the pattern of the route: never what the client wrote. */
export function doorOf({ method, routeOptions }: FastifyRequest): string {
  return `${method} ${routeOptions.url}`
}
