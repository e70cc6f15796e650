import type { FastifyRequest } from 'fastify'
import { withNameKey } from '../accounts/names.js'
import type { Owner } from '../accounts/second-factors.js'
import { clientOf } from '../audit/requester.js'
import { FACTOR_NAME_MAX_LENGTH } from '../text-lengths.js'
import { nullable } from './schemas.js'

/** What a factor is called. */
export const factorName = nullable({ maxLength: FACTOR_NAME_MAX_LENGTH, description: 'What you call it, for a list.' })

/** Who changes their factors. */
export function ownerOf(request: FastifyRequest): Owner {
  const { userId, sessionId } = request.user
  return { id: userId, sessionId, client: clientOf(request) }
}

/** What a factor is called; null for nothing. @throws Problem name_rejected */
export function nameIn({ name }: { name?: string | null }): string | null {
  return withNameKey(name).name || null
}

/** For a body in which nothing is required. */
export function withoutBody(request: FastifyRequest, _reply: unknown, done: () => void): void {
  request.body ??= {}
  done()
}
