// What drivers, CSV and JSON make of a value, as one thing.
import type { Binary } from './source.js'

/** What SQL tools, MySQL, Python, pandas and spreadsheets write where there is no value, in lower case. */
const ABSENT = new Set([
  '',
  'null',
  '(null)',
  '<null>',
  '[null]',
  '\\n',
  'none',
  'nan',
  'nat',
  'nil',
  'undefined',
  '#n/a',
])

/**
 * Whether a value stands for none: null, an empty or blank text, or NULL, `\N`, `None`, `nan` and their like as text.
 * Only for columns where none of these can be a value: ids, addresses, hashes, times, yes or no. It may be a user name.
 */
export function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || Number.isNaN(value)) return true
  return typeof value === 'string' && ABSENT.has(value.trim().toLowerCase())
}

/** Text without the blanks and line ends around it; null where nothing is left. @throws CommandError as exactTextOf does */
export function textOf(value: unknown): string | null {
  return exactTextOf(value)?.trim() || null
}

/** Text that is not empty, as it stands in the source; null otherwise. @throws CommandError for bytes that are no text */
export function exactTextOf(value: unknown): string | null {
  if (Buffer.isBuffer(value)) return (value as Binary).decode() || null
  // A number that SQLite calls infinite stands for every text that it took for a number too large.
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : null
  return typeof value === 'string' && value !== '' ? value : null
}

/** What is stored as a password, as it stands; bytes that are no text as PostgreSQL writes them: `\x` and hexadecimal. */
export function secretTextOf(value: unknown): string | null {
  try {
    return exactTextOf(value)
  } catch (error) {
    if (!Buffer.isBuffer(value)) throw error
    return `\\x${value.toString('hex')}`
  }
}

/** Whether there are blanks or line ends around a text. */
export function isPadded(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '' && value.trim() !== value
}
