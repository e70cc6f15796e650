import { exactTextOf, isAbsent } from './values.js'

export type IdFault = 'no id' | 'an id that was rounded' | 'an id that is no number, text or bytes'

/** A large number in scientific notation, as Excel, pandas and floats write it: several ids may have become one. */
const SCIENTIFIC = /^[+-]?\d+([.,]\d+)?e\+\d+$/i
/** 12.0 is 12: a column of whole numbers with gaps becomes one of floats in pandas. */
const WHOLE_FLOAT = /^(-?(?:0|[1-9]\d*))\.0+$/

/**
 * Reads an id of the source, or its owner's, as the text that it is filed under. Two different ids are never one text: a
 * BLOB is its bytes in hexadecimal, with `\x` before them where they would read as a number.
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

/** Whether a float holds this number and no other one near it. */
function isExact(text: string): boolean {
  return Math.abs(Number(text)) <= Number.MAX_SAFE_INTEGER
}
