import type { IncomingHttpHeaders } from 'node:http'
import { LOCALES, type Locale, localeOf } from '../mail/purposes.js'

export type { Locale } from '../mail/purposes.js'

/** A text in every supported language. */
export type Translated<Text> = Record<Locale, Text>

/** The first supported language among the client's tags (ui_locales); without one, as `languageOf`. */
export function languageAsked(headers: IncomingHttpHeaders, tags: string | undefined): Locale {
  const known = tags?.split(' ').find((tag) => LOCALES.some((locale) => locale === tag.split('-')[0]?.toLowerCase()))
  return known === undefined ? languageOf(headers) : localeOf(known)
}

/** The supported language that a browser prefers (RFC 9110, 12.5.4); English if there is none. */
export function languageOf({ 'accept-language': header = '' }: IncomingHttpHeaders): Locale {
  const wanted = header
    .split(',')
    .map((item) => item.trim().split(/;\s*q=/))
    .map(([tag = '', q = '1']) => ({ tag, q: Number(q) }))
    .filter(({ q }) => q > 0)
    .sort((one, other) => other.q - one.q)
    .find(({ tag }) => LOCALES.some((locale) => locale === tag.split('-')[0]?.toLowerCase()))
  return localeOf(wanted?.tag)
}
