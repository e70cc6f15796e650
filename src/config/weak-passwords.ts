import { isLocalOnly } from './local-only.js'

interface Settings {
  COMPAT_WEAK_PASSWORDS: 'auto' | 'on' | 'off'
  HOST: string
  PUBLIC_URL: string
  TRUST_PROXY: readonly string[]
}

/**
 * Whether the tutorials' sign-ups accept passwords as weak as those in the tutorials. With `auto`, they do if only
 * programs on this machine can reach the service and no password rules are set.
 */
export function takesWeakPasswords(settings: Settings, isSet: (name: string) => boolean): boolean {
  const { COMPAT_WEAK_PASSWORDS: choice } = settings
  if (choice !== 'auto') return choice === 'on'
  const hasRules = !isSet('COMPAT_WEAK_PASSWORDS') && (isSet('PASSWORD_MIN_LENGTH') || isSet('PASSWORD_BLOCKLIST'))
  return isLocalOnly(settings) && !hasRules
}
