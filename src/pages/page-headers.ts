import type { Locale } from './languages.js'

const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'"

/** The headers of a page, instead of those of API responses. */
export function pageHeaders(locale: Locale): Record<string, string> {
  return {
    'cache-control': 'no-store',
    'content-language': locale,
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'content-type': 'text/html; charset=utf-8',
    // Under no-referrer, Chromium sends `Origin: null` with our own forms. same-origin does not reveal the address,
    // which may contain a token, to other sites.
    'referrer-policy': 'same-origin',
    vary: 'accept-language',
  }
}
