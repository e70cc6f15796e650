import type { FastifyReply, FastifyRequest } from 'fastify'
import { etag, isFresh } from './etags.js'

/** Half the time between publishing a key and signing with it, so that caches know every key in time. */
const CACHED_FOR_S = 300

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
