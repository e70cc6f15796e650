import type { TokenPurpose } from '../accounts/one-time-codes.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

interface Definition {
  /** A mail that was not sent by then is dropped: its token has expired, or its news is old. */
  usefulMs: number
  /** The purpose of the mail's one-time token, which is made when the mail is sent. */
  token?: TokenPurpose
  /** Whether the mail has a code to type besides the link. */
  hasCode?: true
  /** The page of the link. */
  page?: 'reset' | 'verify' | 'invitation'
  /** Whether the mail goes to the address that the account had at the time of the change. */
  isPast?: true
}

/** All mails. A mail without a token is a notice. */
export const PURPOSES = {
  password_reset: { usefulMs: HOUR_MS, token: 'password_reset', hasCode: true, page: 'reset' },
  email_verification: { usefulMs: DAY_MS, token: 'email_verification', hasCode: true, page: 'verify' },
  email_change: { usefulMs: DAY_MS, token: 'email_change', hasCode: true, page: 'verify' },
  login: { usefulMs: 10 * MINUTE_MS, token: 'login', hasCode: true },
  enrollment: { usefulMs: HOUR_MS, token: 'enrollment', hasCode: true },
  invitation: { usefulMs: 7 * DAY_MS, token: 'invitation', page: 'invitation' },
  account_exists: { usefulMs: DAY_MS, isPast: true },
  password_changed: { usefulMs: 3 * DAY_MS, isPast: true },
  email_changed: { usefulMs: 3 * DAY_MS, isPast: true },
  email_undo: { usefulMs: 7 * DAY_MS, token: 'email_undo', page: 'verify', isPast: true },
  factor_added: { usefulMs: 3 * DAY_MS, isPast: true },
  factor_removed: { usefulMs: 3 * DAY_MS, isPast: true },
  recovery_codes_replaced: { usefulMs: 3 * DAY_MS, isPast: true },
  recovery_code_used: { usefulMs: 3 * DAY_MS, isPast: true },
  factor_attacked: { usefulMs: 3 * DAY_MS, isPast: true },
} as const satisfies Record<string, Definition>

export type Purpose = keyof typeof PURPOSES

/** The properties of mails with this purpose. */
export function definitionOf(purpose: Purpose): Definition {
  return PURPOSES[purpose]
}

/** Whether a text is a purpose. A newer version may have written others to the table. */
export function isPurpose(text: string): text is Purpose {
  return Object.hasOwn(PURPOSES, text)
}

export const LOCALES = ['en', 'ko'] as const
export type Locale = (typeof LOCALES)[number]

/** The language of a mail for a BCP 47 tag such as `ko-KR`; English if there are no texts in that language. */
export function localeOf(tag: string | null | undefined): Locale {
  const language = tag?.split('-')[0]?.toLowerCase()
  return LOCALES.find((locale) => locale === language) ?? 'en'
}
