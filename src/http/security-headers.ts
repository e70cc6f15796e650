import type { Config } from '../config/config.js'

const ONE_YEAR_S = 31_536_000

/**
 * The security headers of every response, computed once (OWASP REST Security). Responses are personal, so the default
 * is no-store. A cacheable route sets its own header.
 */
export function securityHeaders({ PUBLIC_URL }: Config): Readonly<Record<string, string>> {
  return Object.freeze({
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    ...(PUBLIC_URL.startsWith('https:') && { 'strict-transport-security': `max-age=${ONE_YEAR_S}` }),
  })
}
