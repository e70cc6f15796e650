import type { FastifyRequest } from 'fastify'

/** Where a request comes from, as sessions and the audit log remember it. */
export interface Client {
  ip: string
  userAgent?: string | undefined
  requestId?: string
  /** Whether the connection is closed, so that nobody waits for the answer. */
  isGone?(): boolean
}

export function clientOf({ ip, id, headers, socket }: FastifyRequest): Client {
  return { ip, requestId: id, userAgent: headers['user-agent'], isGone: () => socket.destroyed }
}
