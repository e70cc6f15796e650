import fc, { type Arbitrary } from 'fast-check'
import type { Schema } from '../support/operations.js'

// Generates values from a JSON Schema: valid ones and invalid ones. Ids, tokens and passwords are known only while a
// service runs, so placeholders stand for them; no encoding changes a placeholder.

/** Part of every generated password: no log line may contain this text. */
export const PASSWORD_MARK = 'hush hush'

/** A placeholder for a value of the running service: the n-th value of this kind, or a value of the sender. */
export function live(name: string, n?: number): string {
  return `*-${name}${n === undefined ? '' : `.${n}`}-*`
}

const oneOfLive = (name: string) => fc.nat(9_999).map((n) => live(name, n))
const marked = (text: Arbitrary<string>) => text.map((rest) => `${live('mark')} ${rest}`)
const readable = (maxLength: number) => fc.string({ unit: 'grapheme', maxLength })

/** Values for field names whose schema does not describe what the service expects. */
const MEANINGS: Record<string, Arbitrary<unknown>> = {
  username: fc.oneof(fc.constant(live('username')), fc.stringMatching(/^[a-z][a-z0-9]{2,20}$/)),
  email: fc.oneof(fc.constant(live('username')), fc.stringMatching(/^[a-z][a-z0-9]{0,9}@[a-z]{2,9}\.example$/)),
  password: fc.oneof({ weight: 3, arbitrary: fc.constant(live('password')) }, newPassword()),
  current_password: fc.constant(live('password')),
  new_password: newPassword(),
  refresh_token: oneOfLive('refresh'),
  token: oneOfLive('reset'),
  grant_type: fc.constantFrom('password', 'refresh_token'),
  scope: fc.constant(''),
  cursor: oneOfLive('cursor'),
  title: marked(readable(80)),
  name: marked(readable(80)),
  description: fc.oneof(marked(readable(500)), marked(fc.constant('가'.repeat(9_900)))),
}

function newPassword(): Arbitrary<string> {
  return readable(40).map((rest) => `${PASSWORD_MARK} ${rest}`)
}

/** A value that matches the schema and that the service is likely to accept. */
export function validValue(schema: Schema, name = ''): Arbitrary<unknown> {
  const { type, anyOf } = schema
  if (anyOf) return fc.oneof(...anyOf.map((part) => validValue(part, name)))
  if (Array.isArray(type)) return fc.oneof(...type.map((one) => validValue({ ...schema, type: one }, name)))
  if (type === 'null') return fc.constant(null)
  if (type === 'boolean') return fc.boolean()
  if (type === 'integer') {
    const { minimum = 1, maximum = Number.MAX_SAFE_INTEGER } = schema
    return fc.oneof(
      fc.integer({ min: minimum, max: Math.min(maximum, 50) }),
      fc.maxSafeNat().map((n) => n % maximum),
    )
  }
  if (type === 'object' || schema.properties) return validObject(schema)
  return schema.enum ? fc.constantFrom(...schema.enum) : (MEANINGS[name] ?? validText(schema))
}

function validObject({ properties = {}, required = [] }: Schema): Arbitrary<Record<string, unknown>> {
  const fields = Object.entries(properties).map(([name, schema]) => [name, validValue(schema, name)])
  return fc.record(Object.fromEntries(fields), { requiredKeys: required })
}

function validText({ format, minLength = 0, maxLength = 300 }: Schema): Arbitrary<string> {
  if (format === 'date-time') return fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
  return fc.string({ unit: 'binary', minLength, maxLength: Math.min(maxLength, 300) })
}

/** Texts that have broken other programs. */
export const HOSTILE_TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'a\udfffb',
  '\ufffd',
  '\u202eanim',
  '\u200b',
  'аdmin',
  'ａｄｍｉｎ',
  'İ',
  'ﷺ'.repeat(250),
  '𝒜'.repeat(320),
  'e\u0301'.repeat(100),
  'null',
  'undefined',
  'NaN',
  'true',
  '[object Object]',
  '-1',
  '0',
  '1e400',
  '0x10',
  '１',
  '99999999999999999999',
  '9007199254740993',
  "' or 1=1 --",
  "'; drop table users; --",
  '" or ""="',
  '1) union select password_hash from users --',
  '%',
  '_%\\',
  '$1',
  ':id',
  '?',
  '../../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  '%ff',
  '\r\nSet-Cookie: a=b',
  '\u001b[31m',
  '<script>alert(1)</script>',
  `\${7*7}`,
  '#{7*7}',
  '{"$gt":""}',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'x'.repeat(129),
  'x'.repeat(300),
  'x'.repeat(10_001),
  '2026-02-30T25:61:61Z',
  '9999-12-31T23:59:60-23:59',
  '0000-01-01T00:00:00+23:59',
]

export const hostileText: Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.constant('x'.repeat(70_000)) },
)

const deep = JSON.parse(`${'['.repeat(2_000)}${']'.repeat(2_000)}`)

export const hostileValue: Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: hostileText },
  fc.constantFrom(null, true, false, 0, -0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], ['a'], { toString: 1 }, deep),
  fc.jsonValue({ maxDepth: 3 }),
)

/** Names that objects, frameworks and tables use, and that the service accepts in no body. */
const EXTRA_NAMES = [
  '__proto__',
  'constructor',
  'toString',
  '',
  'id',
  'user_id',
  'userId',
  'role',
  'is_active',
  '$where',
]

/** A body that matches the schema, except for one mistake. */
export function spoiltBody(schema: Schema): Arbitrary<unknown> {
  const names = Object.keys(schema.properties ?? {})
  return fc
    .tuple(validObject(schema), fc.constantFrom('other', 'less', 'more', 'wrapped'), fc.nat(), hostileValue)
    .map(([body, way, n, value]) => {
      const name = names[n % names.length] ?? ''
      if (way === 'wrapped') return [body]
      if (way === 'less') return Object.fromEntries(Object.entries(body).filter(([key]) => key !== name))
      const added = way === 'other' ? name : (EXTRA_NAMES[n % EXTRA_NAMES.length] ?? '')
      // Without an assignment, which would set the prototype instead of a field named `__proto__`.
      return Object.fromEntries([...Object.entries(body), [added, value]])
    })
}
