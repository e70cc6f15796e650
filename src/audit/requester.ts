import type { FastifyRequest } from 'fastify'
import { addressOfClient } from '../networks.js'

/** The origin of a request, as stored with sessions and audit events. */
export interface Client {
  /** In canonical form. */
  ip: string
  userAgent?: string | undefined
  requestId?: string
  /** Whether the client has disconnected. */
  isGone?(): boolean
  /** The method and route pattern, such as `POST /v1/login`. */
  endpoint?(): string
}

export function clientOf(request: FastifyRequest): Client {
  const { id, headers, socket } = request
  const ip = addressOfClient(request)
  return {
    ip,
    requestId: id,
    userAgent: headers['user-agent'],
    isGone: () => socket.destroyed,
    endpoint: () => endpointOf(request),
  }
}

/** The method and the route pattern. Contains no client input. */
export function endpointOf({ method, routeOptions }: FastifyRequest): string {
  return `${method} ${routeOptions.url}`
}
