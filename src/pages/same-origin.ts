import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '../config/config.js'
import { acceptedIssuers } from '../config/public-url.js'

/**
 * Whether a form was sent by a page of this service (OWASP, Fetch Metadata): browsers say where a request comes from in
 * Sec-Fetch-Site, and where they do not, in Origin. What says neither is no browser, and acts for nobody who is logged in.
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
