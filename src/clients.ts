import type { FastifyRequest } from 'fastify'

/** Where a request comes from, as sessions and the audit log remember it. */
export interface Client {
  ip: string
  userAgent?: string | undefined
  requestId?: string
}

export function clientOf({ ip, id, headers }: FastifyRequest): Client {
  return { ip, requestId: id, userAgent: headers['user-agent'] }
}
