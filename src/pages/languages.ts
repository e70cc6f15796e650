import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { LOCALES, type Locale, localeOf } from '../mail/purposes.js'

export type { Locale } from '../mail/purposes.js'

/** A text in every supported language. */
export type Translated<Text> = Record<Locale, Text>

/**
 * The language of a page: the first supported tag of `ui_locales` (OpenID Connect Core, section 3.1.2.1), which stays in the
 * address on the way to an application; without one, as `languageOf`.
 */
export function pageLanguage({ headers, query }: Pick<FastifyRequest, 'headers' | 'query'>): Locale {
  const { ui_locales: tags } = (query ?? {}) as { ui_locales?: unknown }
  const known = typeof tags === 'string' ? tags.split(' ').find(isKnown) : undefined
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
    .find(({ tag }) => isKnown(tag))
  return localeOf(wanted?.tag)
}

function isKnown(tag: string): boolean {
  return LOCALES.some((locale) => locale === tag.split('-')[0]?.toLowerCase())
}
