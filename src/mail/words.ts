/** The placeholders of mail texts, written as `{name}`. */
export const WORDS = ['service', 'name', 'link', 'code', 'time'] as const
type Word = (typeof WORDS)[number]

/** The values of the placeholders. */
export type Values = Partial<Record<Word, string | undefined>>

const PLACES = /\{([a-z]+)\}/g
/**
 * Characters that break a line or change its direction: with them, a value could add lines that look like the
 * service's.
 */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu

/** Replaces the placeholders in one pass: a placeholder within a value is not replaced. */
export function fill(text: string, values: Values): string {
  return text.replace(PLACES, (_place, word: Word) => (values[word] ?? '').replace(UNFIT, ' '))
}

/** As `fill`, for HTML: values are escaped. */
export function fillHtml(html: string, values: Values): string {
  return html.replace(PLACES, (place) => escapeHtml(fill(place, values)))
}

/** The placeholders in a text, known or not. */
export function wordsIn(text: string): string[] {
  return [...text.matchAll(PLACES)].map(([, word = '']) => word)
}

/** Escapes text for HTML, also for quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
