import { type ParsedUrlQueryInput, stringify } from 'node:querystring'
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Accepts only forms in this scope. A repeated field is an array, which no schema of a form accepts. */
export async function takeForms(app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers()
  await app.register(formbody)
}

/**
 * Redirects a client's POST from its own site to the same request by GET: because of SameSite=Lax, browsers send our
 * cookie only with the GET. `mark` is a parameter that none of our own forms has; without `mark`, every POST is
 * redirected.
 */
export function redirectToGet(path: string, mark?: string) {
  return async ({ body }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const fields = (body ?? {}) as ParsedUrlQueryInput
    if (mark !== undefined && fields[mark] === undefined) return undefined
    // Credentials must never appear in a URL.
    const { password, code, ticket, passkey, ...parameters } = fields
    // Repeated parameters stay repeated: the GET refuses them (RFC 6749 section 3.1).
    return reply.redirect(`${path}?${stringify(parameters)}`, 303)
  }
}
