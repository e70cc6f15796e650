// The longest texts that are stored, in code points, as JSON Schema's maxLength counts them.

/** At 4 bytes each that is 1,024 bytes. */
export const PASSWORD_MAX_LENGTH = 256
/** A user name or an e-mail address as it is typed. Longer text is nobody's; the longest address has 64 + 1 + 255 characters. */
export const IDENTIFIER_MAX_LENGTH = 320
/** Display names, titles, and the names and addresses of the tutorials' tables. */
export const NAME_MAX_LENGTH = 250
/** What people call a second factor, for a list. */
export const FACTOR_NAME_MAX_LENGTH = 64
export const DESCRIPTION_MAX_LENGTH = 10_000

/**
 * Whether a text has more code points than this. Costs nothing for text of any length: normalising is quadratic in a run
 * of combining marks, so every text is held against its bound before anything else is done with it.
 */
export function isLongerThan(codePoints: number, text: string): boolean {
  if (text.length <= codePoints) return false
  // A code point takes one or two code units.
  return text.length > 2 * codePoints || [...text].length > codePoints
}
