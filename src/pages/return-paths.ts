import type { FastifyRequest } from 'fastify'

/** A page of the account, with its query: what may stand where a log-in leads back to. No host fits in it. */
export const ACCOUNT_PATH_PATTERN = '^/account(/[a-z0-9-]+)*(\\?[A-Za-z0-9_=&%.~-]*)?$'
const ACCOUNT_PATH = new RegExp(ACCOUNT_PATH_PATTERN)

/**
 * The address of the log-in that leads back to this page; `again` also asks whoever is logged in. It says so where a form that
 * was sent is lost by it; nothing is lost with the log-out, which is the form of /account.
 */
export function logInPath(
  { url, method }: Pick<FastifyRequest, 'url' | 'method'>,
  path: string,
  { again = false } = {},
): string {
  const to = ACCOUNT_PATH.test(url) ? url : '/account'
  const isLost = method === 'POST' && to !== '/account'
  return `${path}/account/login?${new URLSearchParams({ to, ...(again && { again: '1' }), ...(isLost && { lost: '1' }) })}`
}
