// What drivers, CSV and JSON make of a value, as one thing.

const NO = new Set(['', '0', 'f', 'false', 'n', 'no', 'off', 'null'])
/** Python's naive times, which Django and SQLAlchemy write in UTC. */
const NAIVE = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)$/
/** Seconds beyond this are milliseconds. */
const YEAR_5138_IN_S = 1e11
const LATEST_MS = Date.UTC(9999, 0)

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
 * Whether a value stands for none: null, an empty or blank text, or NULL, `\\N`, `None`, `nan` and their like as text.
 * Only for columns where none of these can be a value: ids, addresses, hashes, times, yes or no. It may be a user name.
 */
export function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || Number.isNaN(value)) return true
  return typeof value === 'string' && ABSENT.has(value.trim().toLowerCase())
}

/** Text that is not empty; null otherwise. */
export function textOf(value: unknown): string | null {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (Buffer.isBuffer(value)) return value.toString()
  return typeof value === 'string' && value !== '' ? value : null
}

export function isYes(value: unknown): boolean {
  return typeof value === 'boolean'
    ? value
    : value !== undefined && value !== null && !NO.has(String(value).toLowerCase())
}

/** In milliseconds since 1970; null when it is no time. */
export function timeOf(value: unknown): number | null {
  const time = value instanceof Date ? value.getTime() : parseTime(textOf(value))
  return time !== null && time >= 0 && time < LATEST_MS ? Math.trunc(time) : null
}

function parseTime(text: string | null): number | null {
  if (text === null) return null
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) < YEAR_5138_IN_S ? Number(text) * 1_000 : Number(text)
  return Date.parse(text.replace(NAIVE, '$1T$2Z'))
}
