import type { FastifyReply, FastifyRequest } from 'fastify'
import { etag, isFresh } from './etags.js'

/** Half of how long a new key is published before it signs: who caches this knows every key in time. */
const CACHED_FOR_S = 300

/** Public keys, RFC 7517; 304 where the client has them. */
export async function sendKeys<Keys extends { keys: { kid?: string }[] }>(
  jwks: Keys,
  { headers }: FastifyRequest,
  reply: FastifyReply,
) {
  const tag = etag(jwks.keys.map(({ kid }) => kid).join('.'))
  reply.headers(FOR_EVERYBODY).header('etag', tag)
  return isFresh(headers['if-none-match'], tag) ? reply.code(304).send() : jwks
}

/** Pages of every origin may read what is public: a client in a browser begins with it. */
export const FOR_EVERYBODY = {
  'cache-control': `public, max-age=${CACHED_FOR_S}`,
  'access-control-allow-origin': '*',
}
