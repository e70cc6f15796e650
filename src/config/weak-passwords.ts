import { isLoopback } from '../networks.js'

interface Settings {
  COMPAT_WEAK_PASSWORDS: 'auto' | 'on' | 'off'
  HOST: string
  PUBLIC_URL: string
  TRUST_PROXY: readonly string[]
}

/**
 * Whether the tutorials' sign-ups take passwords as weak as the tutorials' samples. With `auto`, only programs on this
 * machine may reach the service. Latchkey speaks no TLS: with https, a proxy on this machine passes on what comes from outside.
 */
export function takesWeakPasswords(settings: Settings, isSet: (name: string) => boolean): boolean {
  const { COMPAT_WEAK_PASSWORDS: choice, HOST, PUBLIC_URL, TRUST_PROXY } = settings
  if (choice !== 'auto') return choice === 'on'
  const isBehindProxy = TRUST_PROXY.length > 0 || PUBLIC_URL.startsWith('https:')
  const hasRules = !isSet('COMPAT_WEAK_PASSWORDS') && (isSet('PASSWORD_MIN_LENGTH') || isSet('PASSWORD_BLOCKLIST'))
  return isLoopback(HOST) && !isBehindProxy && !hasRules
}
