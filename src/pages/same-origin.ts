import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '../config/config.js'
import { acceptedIssuers } from '../config/public-url.js'

/**
 * Whether a page of this service sent the form (OWASP, Fetch Metadata): browsers send Sec-Fetch-Site, and older ones
 * Origin. A request with neither header does not come from a browser, and is accepted only for forms that need no
 * session.
 */
export function isOwnForm(
  headers: IncomingHttpHeaders,
  config: Pick<Config, 'PUBLIC_URL'>,
  { isLoggedIn = false } = {},
): boolean {
  const { 'sec-fetch-site': site, origin } = headers
  if (site !== undefined) return site === 'same-origin'
  if (origin === undefined) return !isLoggedIn
  return acceptedIssuers(config).some((issuer) => new URL(issuer).origin === origin)
}
