import type { FastifyRequest } from 'fastify'
import { pathOf } from '../http/request-target.js'

/** A page of the account, with its query, that a log-in may lead back to. The pattern admits no host. */
export const ACCOUNT_PATH_PATTERN = '^/account(/[a-z0-9-]+)*(\\?[A-Za-z0-9_=&%.~-]*)?$'
const ACCOUNT_PATH = new RegExp(ACCOUNT_PATH_PATTERN)

/**
 * The log-in that leads back to this page, without its query, which may be too long for a query or repeat "Done.".
 * `again` also asks logged-in users. Adds `lost` if a submitted form is lost, except on /account, whose only form logs
 * out.
 */
export function logInPath(
  { url, method, headers }: Pick<FastifyRequest, 'url' | 'method' | 'headers'>,
  path: string,
  { again = false } = {},
): string {
  const page = pathOf(url)
  const to = ACCOUNT_PATH.test(page) ? page : '/account'
  const isLost = method === 'POST' && to !== '/account'
  // One of our pages led here, such as the log-in, and the browser has no cookie: perhaps it keeps none.
  const isCookieless = method === 'GET' && headers.cookie === undefined && headers['sec-fetch-site'] === 'same-origin'
  const query = {
    to,
    ...(again && { again: '1' }),
    ...(isLost && { lost: '1' }),
    ...(isCookieless && { cookieless: '1' }),
  }
  return `${path}/account/login?${new URLSearchParams(query)}`
}
