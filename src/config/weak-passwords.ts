import { isLocalOnly } from './local-only.js'

interface Settings {
  COMPAT_WEAK_PASSWORDS: 'auto' | 'on' | 'off'
  HOST: string
  PUBLIC_URL: string
  TRUST_PROXY: readonly string[]
}

/**
 * Whether the tutorials' sign-ups take passwords as weak as the tutorials' samples. With `auto`, they do
 * where only programs on this machine may reach the service.
 */
export function takesWeakPasswords(settings: Settings, isSet: (name: string) => boolean): boolean {
  const { COMPAT_WEAK_PASSWORDS: choice } = settings
  if (choice !== 'auto') return choice === 'on'
  const hasRules = !isSet('COMPAT_WEAK_PASSWORDS') && (isSet('PASSWORD_MIN_LENGTH') || isSet('PASSWORD_BLOCKLIST'))
  return isLocalOnly(settings) && !hasRules
}
