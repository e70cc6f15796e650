// Maximum lengths of stored texts in code points, as JSON Schema's maxLength counts.

/** At most 1,024 bytes, at 4 bytes each. */
export const PASSWORD_MAX_LENGTH = 256
/**
 * A user name or an e-mail address as typed: no account has a longer one. The longest address has 64 + 1 + 255
 * characters.
 */
export const IDENTIFIER_MAX_LENGTH = 320
/** Display names, titles, and the names and addresses in the tutorials' tables. */
export const NAME_MAX_LENGTH = 250
/** The name that users give a second factor. */
export const FACTOR_NAME_MAX_LENGTH = 64
export const DESCRIPTION_MAX_LENGTH = 10_000

/**
 * Whether a text has more code points than this. Cheap for text of any length: normalising takes time that grows with
 * the square of a run of combining marks, so every text is checked before any other work.
 */
export function isLongerThan(codePoints: number, text: string): boolean {
  if (text.length <= codePoints) return false
  // A code point takes one or two code units.
  return text.length > 2 * codePoints || [...text].length > codePoints
}
