import { type TSchema, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { etag, isFresh } from './etags.js'
import { problems } from './problem-schemas.js'
import { ifNoneMatch, noContent, ref } from './schemas.js'

/** Half the time between publishing a key and signing with it, so that caches know every key in time. */
const CACHED_FOR_S = 300

const headers = {
  'Cache-Control': Type.String({ description: 'The time for which the response may be cached.' }),
  ETag: Type.String({ description: 'The version of the keys, for If-None-Match.' }),
}

/** The request headers and the responses of an endpoint that sends public keys. */
export function keysSchema<Keys extends TSchema>(keys: Keys) {
  return {
    headers: ifNoneMatch,
    response: {
      200: { description: 'The keys.', headers, content: { 'application/json': { schema: ref(keys) } } },
      304: noContent('The keys still have the ETag in If-None-Match.', headers),
      ...problems(400, 431),
    },
  }
}

/** Sends public keys, RFC 7517, or 304 if the client has them. */
export async function sendKeys<Keys extends { keys: { kid?: string }[] }>(
  jwks: Keys,
  { headers }: FastifyRequest,
  reply: FastifyReply,
) {
  const tag = etag(jwks.keys.map(({ kid }) => kid).join('.'))
  reply.headers(FOR_EVERYBODY).header('etag', tag)
  return isFresh(headers['if-none-match'], tag) ? reply.code(304).send() : jwks
}

/** Public responses are readable from every origin: clients in browsers start with them. */
export const FOR_EVERYBODY = {
  'cache-control': `public, max-age=${CACHED_FOR_S}`,
  'access-control-allow-origin': '*',
}
