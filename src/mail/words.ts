/** What the text of a mail can name, as `{name}`. */
export const WORDS = ['service', 'name', 'link', 'code', 'time'] as const
type Word = (typeof WORDS)[number]

/** What is put in their places. */
export type Values = Partial<Record<Word, string | undefined>>

const PLACES = /\{([a-z]+)\}/g
/** Characters that break a line or turn its direction: they would add lines that the service seems to have written. */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu

/** Puts the values in their places, in one pass: a value that looks like a place stays as it is. */
export function fill(text: string, values: Values): string {
  return text.replace(PLACES, (_place, word: Word) => (values[word] ?? '').replace(UNFIT, ' '))
}

/** The same within HTML, where values are text. */
export function fillHtml(html: string, values: Values): string {
  return html.replace(PLACES, (place) => escapeHtml(fill(place, values)))
}

/** The words that a text names, known or not. */
export function wordsIn(text: string): string[] {
  return [...text.matchAll(PLACES)].map(([, word = '']) => word)
}

/** Text as it stands in HTML, also within quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
