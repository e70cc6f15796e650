import { isAbsent, textOf } from './values.js'

// Parses times as databases, spreadsheets and programs write them. Ambiguous times are refused.

const DAY_MS = 86_400_000
/** No account is older. A time in the future is a misread number. */
const EARLIEST_MS = 0
const FUTURE_MS = 2 * DAY_MS
/** Excel counts days from here; its first 60 days are off by one. */
const EXCEL_EPOCH_MS = Date.UTC(1899, 11, 30)
/** The years 1982 to 2119 in Excel's days. As seconds, these numbers would all be on 1 January 1970. */
const EXCEL_DAYS = { from: 30_000, to: 80_000 }
/** Units of numbers since 1970, by their size: each unit from 1973 on, nanoseconds from 2001 on. */
const UNITS = [
  { from: 1e8, to: 1e11, perMs: 1e-3 },
  { from: 1e11, to: 1e14, perMs: 1 },
  { from: 1e14, to: 1e17, perMs: 1e3 },
  { from: 1e18, to: 1e19, perMs: 1e6 },
]

const DECIMAL = /^\d+(?:[.,]\d+)?$/
const COMPACT = /^((?:19|20)\d{2})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?(?:\.\d+)?(Z)?)?$/
const CLOCK = '(?:[T ,]+(\\d{1,2}):(\\d{2})(?::(\\d{2})(?:[.,](\\d+))?)?(?: ?([AP]M))?)?'
const ZONE = ' ?(Z|UTC|GMT|[+-]\\d{2}(?::?\\d{2})?(?: ?[A-Z]{3,4})?)?'
const YEAR_FIRST = new RegExp(`^(\\d{4})[-/.] ?(\\d{1,2})[-/.] ?(\\d{1,2})\\.?${CLOCK}${ZONE}$`, 'i')
const YEAR_LAST = new RegExp(`^(\\d{1,2})[-/.](\\d{1,2})[-/.](\\d{4})${CLOCK}${ZONE}$`, 'i')
/** Korean Excel writes AM and PM before the hour. */
const KOREAN_HALF = /(오전|오후) ?([\d:]+)/
/** Formats with the name of a month, which V8 parses: `25 Jun 2022 11:03`, `Sat, 25 Jun 2022 11:03:45 GMT`. */
const WITH_MONTH = /^(?=.*\b\d{1,2}\b).*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*\b\d{4}\b/i
const SAYS_ZONE = /(\bZ|\bUTC|\bGMT|[+-]\d{2}:?\d{2})\b/i

/**
 * A time in milliseconds since 1970; null if the value is absent, and undefined if it is ambiguous or not a time.
 * Without a zone, it is UTC.
 */
export function timeOf(value: unknown): number | null | undefined {
  if (isAbsent(value)) return null
  const text = textOf(value)
  const time =
    text === null
      ? undefined
      : parseTime(text.replace(KOREAN_HALF, (_, half, clock) => `${clock} ${half === '오전' ? 'AM' : 'PM'}`))
  if (time === undefined || !(time >= EARLIEST_MS && time < Date.now() + FUTURE_MS)) return undefined
  return Math.round(time)
}

function parseTime(text: string): number | undefined {
  const compact = COMPACT.exec(text)
  if (compact !== null) {
    const [, year, month, day, hour, minute, second] = compact
    const time = utc({ year, month, day, hour, minute, second })
    if (time !== undefined) return time
  }
  if (DECIMAL.test(text)) return parseNumber(Number(text.replace(',', '.')))
  const yearFirst = YEAR_FIRST.exec(text)
  if (yearFirst !== null) {
    const [, year, month, day, ...clock] = yearFirst
    return onClock({ year, month, day }, clock)
  }
  const yearLast = YEAR_LAST.exec(text)
  if (yearLast !== null) return parseYearLast(yearLast)
  if (WITH_MONTH.test(text)) return Date.parse(SAYS_ZONE.test(text) ? text : `${text} UTC`)
  return undefined
}

function parseNumber(number: number): number | undefined {
  if (number >= EXCEL_DAYS.from && number < EXCEL_DAYS.to) return EXCEL_EPOCH_MS + Math.round(number * DAY_MS)
  const unit = UNITS.find(({ from, to }) => number >= from && number < to)
  return unit && number / unit.perMs
}

/** 25/06/2022 and 06/25/2022 are unambiguous, 05/06/2022 is not. Dates with dots are European: the day comes first. */
function parseYearLast([text, one = '', two = '', year, ...clock]: RegExpExecArray): number | undefined {
  const isDayFirst = Number(one) > 12 || /^\d+\./.test(text)
  const isKnown = isDayFirst || Number(two) > 12 || Number(one) === Number(two)
  if (!isKnown) return undefined
  return onClock(isDayFirst ? { year, month: two, day: one } : { year, month: one, day: two }, clock)
}

type Parts = Partial<Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', string | undefined>>

function onClock(
  date: Parts,
  [hour, minute, second, fraction, half, zone]: (string | undefined)[],
): number | undefined {
  const time = utc({ ...date, hour: hour && String(hourOf(Number(hour), half)), minute, second })
  return time === undefined ? undefined : time + Number(`${fraction ?? 0}000`.slice(0, 3)) - offsetOf(zone)
}

/** Converts an hour with AM or PM to the 24-hour clock. */
function hourOf(hour: number, half: string | undefined): number {
  if (half === undefined) return hour
  return (hour % 12) + (half.toUpperCase() === 'PM' ? 12 : 0)
}

/** The UTC offset of a zone such as +09:00, in milliseconds. */
function offsetOf(zone = 'Z'): number {
  const [, sign, hours = 0, minutes = 0] = /^([+-])(\d{2}):?(\d{2})?/.exec(zone) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

/** Undefined for a day or a time that does not exist. */
function utc({ year, month, day, hour = '0', minute = '0', second = '0' }: Parts): number | undefined {
  const numbers = [year, month, day, hour, minute, second].map(Number)
  const [y = 0, m = 0, d = 0, ...clock] = numbers
  const [h = 0, min = 0, s = 0] = clock
  const date = new Date(Date.UTC(y, m - 1, d))
  const isDate = date.getUTCMonth() === m - 1 && date.getUTCDate() === d
  return isDate && h < 24 && min < 60 && s <= 60 ? date.getTime() + ((h * 60 + min) * 60 + s) * 1_000 : undefined
}
