import { parse } from 'node:querystring'
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Takes forms in this scope, and nothing else. A field that comes twice counts by its last value. */
export async function takeForms(app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers()
  await app.register(formbody, { parser: (text) => lastOfEach(parse(text)) })
}

/**
 * Answers a request that a client posts, from its own site, with a redirect to the same by GET: the cookie of this site arrives
 * with that one alone, because it is SameSite=Lax. `mark` is a parameter that none of our own forms has; without it, all are.
 */
export function redirectToGet(path: string, mark?: string) {
  return async ({ body }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const fields = (body ?? {}) as Record<string, string>
    if (mark !== undefined && fields[mark] === undefined) return undefined
    // What a person typed never gets into an address.
    const { password, code, ticket, passkey, ...parameters } = fields
    return reply.redirect(`${path}?${new URLSearchParams(parameters)}`, 303)
  }
}

function lastOfEach(fields: NodeJS.Dict<string | string[]>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value = '']) => [name, [value].flat().at(-1) ?? '']))
}
