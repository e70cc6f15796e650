import type { FastifyRequest } from 'fastify'
import type { Client } from './sessions.js'

/** Where a request comes from, as its session will remember it. */
export function clientOf({ ip, headers }: FastifyRequest): Client {
  return { ip, userAgent: headers['user-agent'] }
}
