import type { Config } from '../config/config.js'

export const EXPOSED_HEADERS = [
  'content-disposition',
  'etag',
  'location',
  'retry-after',
  'www-authenticate',
  'x-request-id',
]
/** How long browsers cache the response to a preflight, in seconds. */
export const PREFLIGHT_KEPT_S = 600

/**
 * The CORS headers of a response that no hook sees, for the Origin of the request. Without them a page only sees "a
 * network error". The same headers as from @fastify/cors; none if CORS_ORIGINS is empty.
 */
export function corsHeaders({ CORS_ORIGINS }: Config): (origin: string | undefined) => Record<string, string> {
  if (CORS_ORIGINS.length === 0) return () => ({})
  return (origin) => ({
    vary: 'Origin',
    ...(origin !== undefined &&
      CORS_ORIGINS.includes(origin) && {
        'access-control-allow-origin': origin,
        'access-control-expose-headers': EXPOSED_HEADERS.join(', '),
      }),
  })
}
