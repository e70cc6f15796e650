import type { IncomingHttpHeaders } from 'node:http'
import { LOCALES, type Locale, localeOf } from '../mail/purposes.js'

export type { Locale } from '../mail/purposes.js'

/** A text in every language that there is. */
export type Translated<Text> = Record<Locale, Text>

/** As `languageOf`, but that a client may have named others: the first of them that there is counts. */
export function languageAsked(headers: IncomingHttpHeaders, tags: string | undefined): Locale {
  const known = tags?.split(' ').find((tag) => LOCALES.some((locale) => locale === tag.split('-')[0]?.toLowerCase()))
  return known === undefined ? languageOf(headers) : localeOf(known)
}

/** The language that a browser asks for (RFC 9110, 12.5.4): of those that there are, the one it likes best; else English. */
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
