import { isIP } from 'node:net'

/** The origin of an Android app that uses passkeys: the hash of its signing certificate. */
const ANDROID = /^android:apk-key-hash:[\w-]{43}$/
const DOMAIN = /^(?=.{1,253}$)[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/

/** The settings that this file reads. Not the type of settings.ts, which imports this file. */
interface PasskeySettings {
  PUBLIC_URL: string
  RP_ID: string
  PASSKEY_ORIGINS: readonly string[]
}

/** The default of RP_ID: the host of PUBLIC_URL. Empty for an IP address, which cannot be an RP ID. */
export function defaultRpId(publicUrl: string): string {
  const host = URL.canParse(publicUrl) ? new URL(publicUrl).hostname : ''
  return isDomain(host) ? host : ''
}

/** Checks a domain. Empty is allowed. @throws Error whose message completes "RP_ID ..." */
export function assertRpId(value: string): void {
  if (value !== '' && !isDomain(value))
    throw new Error('must be a domain such as example.com, without https:// and port')
}

/** Checks the origin of a page or an app, for `list`. @throws Error whose message completes "PASSKEY_ORIGINS ..." */
export function assertPasskeyOrigin(item: string): void {
  const isPage = /^https?:/.test(item) && URL.canParse(item) && new URL(item).origin === item
  if (!isPage && !ANDROID.test(item)) {
    throw new Error('must hold origins such as https://login.example.com or android:apk-key-hash:..., without a path')
  }
}

/** Conflicts between the two settings: browsers offer passkeys only to pages of the passkey's domain. */
export function passkeyDisagreements({ RP_ID, PASSKEY_ORIGINS }: Omit<PasskeySettings, 'PUBLIC_URL'>): string[] {
  const isOfDomain = (origin: string) => ANDROID.test(origin) || `.${new URL(origin).hostname}`.endsWith(`.${RP_ID}`)
  return PASSKEY_ORIGINS.filter((origin) => !isOfDomain(origin)).map(
    (origin) =>
      `PASSKEY_ORIGINS contains ${origin}, which is not in the domain ${RP_ID || '(none)'}: set RP_ID to a domain that all origins share`,
  )
}

/** A notice for the operator if passkeys cannot work. */
export function passkeysNotice({ RP_ID, PUBLIC_URL }: Omit<PasskeySettings, 'PASSKEY_ORIGINS'>): string | undefined {
  if (RP_ID !== '') return undefined
  return `Passkeys are off: PUBLIC_URL is ${PUBLIC_URL}, but passkeys need a host name in it, not an IP address, or RP_ID`
}

function isDomain(host: string): boolean {
  return DOMAIN.test(host) && isIP(host) === 0
}
