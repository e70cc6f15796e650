import type { TokenPurpose } from '../accounts/one-time-codes.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

interface Definition {
  /** A mail that has not left by then is no use: its token has expired, or its news is old. */
  usefulMs: number
  /** The one-time token that it carries, which is made when it leaves. */
  token?: TokenPurpose
  /** Whether its token has a code to type beside the link. */
  hasCode?: true
  /** The page that its link leads to. */
  page?: 'reset' | 'verify' | 'invitation'
  /** Whether it goes to where the account was when the deed was done. */
  isPast?: true
}

/** Every mail there is. What is without a token is a notice. */
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

/** What a mail of this purpose is like. */
export function definitionOf(purpose: Purpose): Definition {
  return PURPOSES[purpose]
}

/** Whether a text, such as one from a table that a newer version has written, is a purpose. */
export function isPurpose(text: string): text is Purpose {
  return Object.hasOwn(PURPOSES, text)
}

export const LOCALES = ['en', 'ko'] as const
export type Locale = (typeof LOCALES)[number]

/** The language of a mail for a tag of BCP 47 such as `ko-KR`; English where there is no text in it. */
export function localeOf(tag: string | null | undefined): Locale {
  const language = tag?.split('-')[0]?.toLowerCase()
  return LOCALES.find((locale) => locale === language) ?? 'en'
}
