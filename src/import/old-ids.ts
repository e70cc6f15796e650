import { exactTextOf, isAbsent } from './values.js'

export type IdFault = 'no id' | 'an id that was rounded' | 'an id that is no number, text or bytes'

/**
 * A large number in scientific notation, as written by Excel, pandas and floats: several ids may have been rounded to
 * it.
 */
const SCIENTIFIC = /^[+-]?\d+([.,]\d+)?e\+\d+$/i
/** 12.0 is 12: pandas turns a column of integers with missing values into floats. */
const WHOLE_FLOAT = /^(-?(?:0|[1-9]\d*))\.0+$/

/**
 * Reads an id of a row or its owner as the text that is stored. Different ids never have the same text: a BLOB is
 * stored in hexadecimal, with a `\x` prefix if it would look like a number.
 */
export function readOldId(value: unknown): { id: string } | { fault: IdFault } {
  if (isAbsent(value)) return { fault: 'no id' }
  if (Buffer.isBuffer(value)) return value.length === 0 ? { fault: 'no id' } : { id: hexOf(value) }
  const text = exactTextOf(value)?.trim()
  if (text === undefined)
    return { fault: typeof value === 'number' ? 'an id that was rounded' : 'an id that is no number, text or bytes' }
  const whole = WHOLE_FLOAT.exec(text)?.[1]
  const isFloat = typeof value === 'number' || whole !== undefined
  if (SCIENTIFIC.test(text) || (isFloat && !isExact(text))) return { fault: 'an id that was rounded' }
  return { id: whole ?? text }
}

function hexOf(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return /^\d+$/.test(hex) ? `\\x${hex}` : hex
}

/** Whether the number is small enough for a float to represent it exactly. */
function isExact(text: string): boolean {
  return Math.abs(Number(text)) <= Number.MAX_SAFE_INTEGER
}
