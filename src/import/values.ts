// Unifies the values of drivers, CSV and JSON.
import type { Binary } from './source.js'

/** How SQL tools, MySQL, Python, pandas and spreadsheets write a missing value, in lower case. */
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
 * Whether a value is missing: null, blank text, or text such as NULL, `\N`, `None` and `nan`. Only for columns in which
 * none of these can be a value: ids, addresses, hashes, times, booleans. `None` may be a user name.
 */
export function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || Number.isNaN(value)) return true
  return typeof value === 'string' && ABSENT.has(value.trim().toLowerCase())
}

/** Trimmed text; null if nothing is left. @throws CommandError as exactTextOf */
export function textOf(value: unknown): string | null {
  return exactTextOf(value)?.trim() || null
}

/** Text that is not empty, unchanged; null otherwise. @throws CommandError for bytes that are not text */
export function exactTextOf(value: unknown): string | null {
  if (Buffer.isBuffer(value)) return (value as Binary).decode() || null
  // SQLite reads any number that is too large as infinity, so several texts may have become this one.
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : null
  return typeof value === 'string' && value !== '' ? value : null
}

/** A stored password, unchanged. Bytes that are not text are written as in PostgreSQL: `\x` and hexadecimal. */
export function secretTextOf(value: unknown): string | null {
  try {
    return exactTextOf(value)
  } catch (error) {
    if (!Buffer.isBuffer(value)) throw error
    return `\\x${value.toString('hex')}`
  }
}

/** Whether a text has blanks or line ends around it. */
export function isPadded(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '' && value.trim() !== value
}
