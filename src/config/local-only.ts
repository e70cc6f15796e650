import { isLoopback } from '../networks.js'

interface Reach {
  HOST: string
  PUBLIC_URL: string
  TRUST_PROXY: readonly string[]
}

/** How many requests to the public credential routes a minute has room for where nobody but this machine sends them. */
const LOCAL_RATE_LIMIT = 600

/**
 * Whether only programs on this machine may reach the service. Latchkey speaks no TLS: with https, a proxy on this machine
 * passes on what comes from outside.
 */
export function isLocalOnly({ HOST, PUBLIC_URL, TRUST_PROXY }: Reach): boolean {
  return isLoopback(HOST) && TRUST_PROXY.length === 0 && !PUBLIC_URL.startsWith('https:')
}

/**
 * RATE_LIMIT where it is not set: ten times the default for local programs, so that a script can make its first people. It
 * stays a bound, because a proxy that is not named may be there all the same; the budgets of failed log-ins hold as ever.
 */
export function rateLimitOf(
  settings: Reach & { RATE_LIMIT: number | undefined },
  isSet: (name: string) => boolean,
): number | undefined {
  return !isSet('RATE_LIMIT') && isLocalOnly(settings) ? LOCAL_RATE_LIMIT : settings.RATE_LIMIT
}
