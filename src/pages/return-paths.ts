import type { FastifyRequest } from 'fastify'

/** A page of the account, with its query: what may stand where a log-in leads back to. No host fits in it. */
export const ACCOUNT_PATH_PATTERN = '^/account(/[a-z0-9-]+)*(\\?[A-Za-z0-9_=&%.~-]*)?$'
const ACCOUNT_PATH = new RegExp(ACCOUNT_PATH_PATTERN)

/** The address of the log-in that leads back to this page; `again` also asks whoever is logged in. */
export function logInPath({ url }: Pick<FastifyRequest, 'url'>, path: string, { again = false } = {}): string {
  const to = ACCOUNT_PATH.test(url) ? url : '/account'
  return `${path}/account/login?${new URLSearchParams({ to, ...(again && { again: '1' }) })}`
}
