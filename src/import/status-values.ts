import type { StatusKind } from './status-columns.js'
import { isAbsent } from './values.js'

/** What a value of a status column means: `unknown` excludes the user, and the report lists the value. */
export type Verdict = 'on' | 'off' | 'unknown'

/** The type of a value: absent, yes or no, a word, or a time (ms since 1970). */
type Reading = 'absent' | 'yes' | 'no' | 'word' | number

const words = (text: string) => new Set(text.trim().split(/\s+/))

const YES = words(
  't true y yes on oui vrai si sí verdadero ja wahr sim verdadeiro vero да истина tak prawda 예 네 참 はい 是 真',
)
const NO =
  words(`f false n no off non faux falso nein falsch não nao нет ложь nie fałsz 아니오 아니요 아니 거짓 いいえ 否 偽 假
  \\0 \\x00 0x0 b'0' b"0" b'\\x00' b"\\x00" x'00' '0' "0" '\\0' \\u0000`)
const ONE = words(`\\x01 0x1 0x01 b'1' b"1" b'\\x01' b"\\x01" x'01' '1' "1" \\u0001 \\1`)
const ACTIVE =
  words(`active activated enabled ok okay normal good live approved allowed valid verified confirmed registered
  current activo aktiv actif ativo attivo 활성 정상 사용 사용중 활동 활동중 正常 有効 有效`)
const NOT_ACTIVE =
  words(`nologin inactive disabled deleted banned blocked locked suspended deactivated archived removed expired
  terminated closed frozen pending rejected denied unapproved unconfirmed unverified waiting invited created dormant
  withdrawn cancelled canceled revoked invalid spam blacklisted retired resigned left inactivo inaktiv gesperrt inactif
  inativo 비활성 정지 탈퇴 휴면 차단 삭제 중지 무효 無効 无效 停止 禁用`)

/** Seconds since 1970, from 1973 to 2200. Other numbers are codes, counts, or in an unknown unit. */
const EPOCH_FROM = 1e8
const EPOCH_UNTIL = 7.26e9
/** Milliseconds and microseconds, from 1982 on: smaller numbers may be seconds of a far future that means "never". */
const FINER_FROM = 4e8
/** Null dates of databases and frameworks: MySQL, .NET and Go. */
const NO_TIME = /^(0000-00-00|0001-01-01)/
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i
const COMPACT = /^((?:19|20|99)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/
const DATE = /^\d{4}-\d{2}-\d{2}([ t]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)?/i
/** A part of a country: a code of two or more letters, or a name. */
const REGION = /^\p{L}[\p{L} .'-]+$/u
const ZONE = /(z|[+-]\d{2}:\d{2})$/i

/** What a value in a column of this kind means at the time `now` (ms since 1970). */
export function judge(kind: StatusKind, value: unknown, now: number): Verdict {
  const reading = read(value)
  const isPast = typeof reading === 'number' && reading <= now
  const isFuture = typeof reading === 'number' && reading > now
  const word = reading === 'word' ? spell(value) : ''
  switch (kind) {
    case 'maybeDisabled':
      return judge('disabled', value, now) === 'on' ? 'on' : 'unknown'
    case 'maybeActive':
      return judge('active', value, now) === 'on' ? 'on' : 'unknown'
    case 'maybeActiveUntil':
      return judge('activeUntil', value, now) === 'on' ? 'on' : 'unknown'
    case 'role':
      return namesNotActive(spell(value ?? '')) ? 'off' : 'on'
    case 'region':
      if (namesNotActive(word)) return 'off'
      return reading === 'absent' || REGION.test(word) ? 'on' : 'unknown'
    case 'disabled':
      if (reading === 'absent' || reading === 'no') return 'on'
      return reading === 'yes' || typeof reading === 'number' || NOT_ACTIVE.has(word) ? 'off' : 'unknown'
    case 'disabledUntil':
      if (reading === 'absent' || reading === 'no' || isPast) return 'on'
      return reading === 'yes' || isFuture ? 'off' : 'unknown'
    case 'activeUntil':
      if (reading === 'absent' || reading === 'no' || isFuture) return 'on'
      return isPast ? 'off' : 'unknown'
    case 'active':
      if (reading === 'yes' || isPast || ACTIVE.has(word)) return 'on'
      return reading === 'absent' || reading === 'no' || isFuture || NOT_ACTIVE.has(word) ? 'off' : 'unknown'
    default:
      if (ACTIVE.has(word)) return 'on'
      return NOT_ACTIVE.has(word) ? 'off' : 'unknown'
  }
}

/** Whether the text contains a word such as banned, as a list of roles may. */
function namesNotActive(text: string): boolean {
  return text.split(/[^\p{L}\p{N}]+/u).some((word) => NOT_ACTIVE.has(word))
}

/** Whether a value means yes: anything but a clear no. */
export function isYes(value: unknown): boolean {
  return !['absent', 'no'].includes(String(read(value)))
}

function read(value: unknown): Reading {
  if (isAbsent(value) || /^(\[\]|\{\})$/.test(spell(value))) return 'absent'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'word' : value.getTime()
  if (Buffer.isBuffer(value) && value.every((byte) => byte === 0)) return 'no'
  if (Buffer.isBuffer(value) && value.length === 1 && value[0] === 1) return 'yes'
  if (typeof value === 'string' && /^\0+$/.test(value)) return 'no'
  if (value === '\x01') return 'yes'
  const text = spell(value)
  if (NO.has(text) || /^(0x0+|b'0+')$/.test(text)) return 'no'
  if (YES.has(text) || ONE.has(text)) return 'yes'
  if (NUMBER.test(text) && !COMPACT.test(text)) return readNumber(Number(text))
  return readTime(text)
}

function readNumber(number: number): Reading {
  if (number === 0) return 'no'
  // Access and Visual Basic write true as -1.
  if (number === 1 || number === -1) return 'yes'
  if (number >= EPOCH_FROM && number < EPOCH_UNTIL) return number * 1_000
  const finer = [1e3, 1e6].find((unit) => number >= FINER_FROM * unit && number < EPOCH_UNTIL * unit)
  return finer === undefined ? 'word' : (number / finer) * 1_000
}

function readTime(text: string): Reading {
  if (text === 'infinity') return Number.POSITIVE_INFINITY
  if (text === '-infinity') return Number.NEGATIVE_INFINITY
  if (NO_TIME.test(text)) return 'absent'
  const spelled = text.replace(COMPACT, '$1-$2-$3T$4:$5:$6')
  if (!DATE.test(spelled)) return 'word'
  const iso = spelled
    .replace(' ', 'T')
    .replace(',', '.')
    .replace(/ ?([+-]\d{2}):?(\d{2})?$/, (zone, hours, minutes) =>
      spelled.length <= 10 ? zone : `${hours}:${minutes ?? '00'}`,
    )
  const time = Date.parse(ZONE.test(iso.slice(10)) || iso.length <= 10 ? iso : `${iso}Z`)
  return Number.isNaN(time) ? 'word' : time
}

/** A value as normalised text, for look-ups and reports. */
export function spell(value: unknown): string {
  const text = Buffer.isBuffer(value)
    ? value.toString()
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value)
  return text.normalize('NFKC').trim().toLowerCase()
}
