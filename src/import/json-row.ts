import { UTF_8 } from './encodings.js'
import { binary, type Row } from './source.js'

/** MongoDB's Extended JSON (mongoexport) wraps values that JSON has no type for. */
const WRAPPERS = new Set([
  '$oid',
  '$uuid',
  '$date',
  '$numberLong',
  '$numberInt',
  '$numberDouble',
  '$numberDecimal',
  '$symbol',
])

/**
 * A JSON object as a row. Unwraps Extended JSON. The fields of a nested object become columns named `outer.inner`, so
 * that they can be mapped.
 */
export function rowOfJson(object: object): Row {
  return Object.fromEntries(columnsOf(object, ''))
}

function* columnsOf(object: object, prefix: string): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(object)) {
    const name = prefix + key
    const plain = unwrap(value)
    yield [name, plain]
    if (isObject(plain)) yield* columnsOf(plain, `${name}.`)
  }
}

/** Unwraps Extended JSON, and lists of one value or none: exports of LDAP write every field as a list. */
function unwrap(value: unknown): unknown {
  if (Array.isArray(value) && value.length <= 1) return unwrap(value[0])
  if (!isObject(value)) return value
  const entries = Object.entries(value)
  const [[key, inner] = ['', undefined]] = entries
  if (key === '$binary') return unwrapBinary(inner)
  return entries.length === 1 && WRAPPERS.has(key) ? unwrap(inner) : value
}

function unwrapBinary(inner: unknown): unknown {
  const base64 = isObject(inner) ? (inner as { base64?: unknown }).base64 : inner
  return typeof base64 === 'string' ? binary(Buffer.from(base64, 'base64'), (bytes) => UTF_8.decode(bytes)) : inner
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)
}
