import type { Config } from '../config/config.js'

export const EXPOSED_HEADERS = ['etag', 'location', 'retry-after', 'www-authenticate', 'x-request-id']
/** How long browsers keep the answer to a preflight, in seconds. */
export const PREFLIGHT_KEPT_S = 600

/**
 * The CORS headers of an answer that no hook sees, by the request's Origin: without them a page learns only of "a network
 * error". The same as @fastify/cors sets; nothing where CORS_ORIGINS is empty.
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
