import { isIP } from 'node:net'
import { type SchemaOptions, type StringOptions, Type } from '@sinclair/typebox'

// The types of settings: each decodes text from the environment. A decoder throws an Error whose message completes
// "NAME ...".

const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTE_UNITS: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2 }

type Documented = StringOptions & { default?: string; description?: string }

/** A span of time such as `10m`; decodes to milliseconds. */
export function duration(minimum: string, maximum: string, options: Documented) {
  return quantity(DURATION_UNITS, 'a duration such as 30s, 10m, 12h or 14d', minimum, maximum, options)
}

/** A size such as `64KiB`; decodes to bytes. */
export function bytes(minimum: string, maximum: string, options: Documented) {
  return quantity(BYTE_UNITS, 'a size such as 512B, 64KiB or 1MiB', minimum, maximum, options)
}

/** A whole number within bounds, both included. */
export function wholeNumber(minimum: number, maximum: number, options: Documented) {
  return text({ ...options, bounds: `${minimum} to ${maximum}` }, (value) => wholeNumberFrom(value, minimum, maximum))
}

/** A whole number within bounds, or `off`, which decodes to undefined. */
export function wholeNumberOrOff(minimum: number, maximum: number, options: Documented) {
  return text({ ...options, bounds: `${minimum} to ${maximum}, or \`off\`` }, (value) =>
    value === 'off' ? undefined : wholeNumberFrom(value, minimum, maximum),
  )
}

/** `on` or `off`; decodes to a boolean. */
export function onOff(options: Documented) {
  return text({ ...options, bounds: '`on`, `off`' }, (value) => {
    if (value !== 'on' && value !== 'off') throw new Error('must be on or off')
    return value === 'on'
  })
}

export function oneOf<const Word extends string>(words: readonly Word[], options: Documented) {
  return text({ ...options, bounds: words.map((word) => `\`${word}\``).join(', ') }, (value) => {
    const word = words.find((candidate) => candidate === value)
    if (word === undefined) throw new Error(`must be one of ${words.join(', ')}`)
    return word
  })
}

/** Text that `check` accepts; `check` throws an Error that explains what is wrong. */
export function checked(check: (value: string) => unknown, options: Documented) {
  return text(options, (value) => {
    check(value)
    return value
  })
}

/** Comma-separated values, each accepted by `check`, which throws an Error that explains what is wrong. */
export function list(check: (item: string) => void, options: Documented) {
  return text(options, (value) => {
    const items = value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
    for (const item of items) check(item)
    return items
  })
}

/**
 * An http or https URL without query, fragment, user or password. Decodes to its canonical form (host in lower case, no
 * default port, no trailing slash), because clients compare it as a string. Empty is allowed.
 */
export function url(options: Documented) {
  return text(options, (value) => {
    if (value === '') return ''
    const parsed = /^https?:\/\/[^\s\\?#@]+$/i.test(value) && URL.canParse(value) ? new URL(value) : undefined
    if (parsed === undefined) throw new Error('must be an http or https address such as https://login.example.com')
    return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '')
  })
}

/** Checks an IP address or a CIDR range, for `list`. */
export function address(item: string): void {
  const [ip = '', prefix, ...rest] = item.split('/')
  const bits = isIP(ip) === 6 ? 128 : 32
  const validPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  // A number of hops or `true` would let any client spoof its address.
  if (isIP(ip) === 0 || !validPrefix || rest.length > 0) {
    throw new Error('must hold addresses or CIDR ranges such as 10.0.0.0/8')
  }
}

/** Checks the origin of web pages, for `list`. */
export function origin(item: string): void {
  if (!/^https?:\/\/[^*]+$/.test(item) || !URL.canParse(item) || new URL(item).origin !== item) {
    throw new Error('must hold origins such as https://app.example.com, without a path')
  }
}

function wholeNumberFrom(value: string, minimum: number, maximum: number): number {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= minimum && number <= maximum)) {
    throw new Error(`must be a whole number from ${minimum} to ${maximum}`)
  }
  return number
}

function quantity(units: Record<string, number>, what: string, minimum: string, maximum: string, options: Documented) {
  const parse = (value: string): number => {
    const match = /^(\d{1,9})([A-Za-z]+)$/.exec(value)
    return match ? Number(match[1]) * (units[match[2] ?? ''] ?? Number.NaN) : Number.NaN
  }
  return text({ ...options, bounds: `${minimum} to ${maximum}` }, (value) => {
    const amount = parse(value)
    if (!(amount >= parse(minimum) && amount <= parse(maximum))) {
      throw new Error(`must be ${what}, from ${minimum} to ${maximum}`)
    }
    return amount
  })
}

function text<Decoded>(options: SchemaOptions, decode: (value: string) => Decoded) {
  return Type.Transform(Type.String(options))
    .Decode(decode)
    .Encode((value) => String(value))
}
