/**
 * Whether a text has more code points than this. Costs nothing for text of any length: normalising is quadratic in a run
 * of combining marks, so every text is held against its bound before anything else is done with it.
 */
export function isLongerThan(codePoints: number, text: string): boolean {
  if (text.length <= codePoints) return false
  // A code point takes one or two code units.
  return text.length > 2 * codePoints || [...text].length > codePoints
}
