import { parse } from 'node:querystring'
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Accepts only forms in this scope. Of a repeated field, the last value counts. */
export async function takeForms(app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers()
  await app.register(formbody, { parser: (text) => lastOfEach(parse(text)) })
}

/**
 * Redirects a client's POST from its own site to the same request by GET: because of SameSite=Lax, browsers send our
 * cookie only with the GET. `mark` is a parameter that none of our own forms has; without `mark`, every POST is
 * redirected.
 */
export function redirectToGet(path: string, mark?: string) {
  return async ({ body }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const fields = (body ?? {}) as Record<string, string>
    if (mark !== undefined && fields[mark] === undefined) return undefined
    // Credentials must never appear in a URL.
    const { password, code, ticket, passkey, ...parameters } = fields
    return reply.redirect(`${path}?${new URLSearchParams(parameters)}`, 303)
  }
}

function lastOfEach(fields: NodeJS.Dict<string | string[]>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value = '']) => [name, [value].flat().at(-1) ?? '']))
}
