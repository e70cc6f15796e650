import { UTF_8 } from './encodings.js'
import { binary, type Row } from './source.js'

/** MongoDB's Extended JSON (mongoexport) wraps what JSON has no type for: the wrapped text is the value. */
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
 * An object of JSON as a row. Values of Extended JSON are unwrapped; the fields of an object inside are columns too, called
 * `outer.inner`, so that they can be mapped.
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

function unwrap(value: unknown): unknown {
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
