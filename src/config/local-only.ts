import { isLoopback } from '../networks.js'

interface Reach {
  HOST: string
  PUBLIC_URL: string
  TRUST_PROXY: readonly string[]
}

/** The limit of requests per minute to the public credential routes if only this machine can send them. */
const LOCAL_RATE_LIMIT = 600

/**
 * Whether only programs on this machine can reach the service. Latchkey does not serve TLS: with an https PUBLIC_URL, a
 * proxy on this machine forwards requests from outside.
 */
export function isLocalOnly({ HOST, PUBLIC_URL, TRUST_PROXY }: Reach): boolean {
  return isLoopback(HOST) && TRUST_PROXY.length === 0 && !PUBLIC_URL.startsWith('https:')
}

/**
 * The default of RATE_LIMIT. For local programs, ten times the usual default, so that a script can create accounts. A
 * limit remains, because there may be an undeclared proxy; the budgets of failed log-ins are unchanged.
 */
export function rateLimitOf(
  settings: Reach & { RATE_LIMIT: number | undefined },
  isSet: (name: string) => boolean,
): number | undefined {
  return !isSet('RATE_LIMIT') && isLocalOnly(settings) ? LOCAL_RATE_LIMIT : settings.RATE_LIMIT
}
