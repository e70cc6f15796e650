import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type Service, startService } from '../helper.js'
import { contractOf } from '../support/contract.js'

// Sends requests byte for byte as a client does, and compares the responses with the tables of responses recorded from
// the tutorials. A row matches if the status, the special headers and, where the table has one, the JSON are equal.

/** The parts of a request besides its request line; at most one of the bodies. */
export interface Sent {
  headers?: Record<string, string>
  json?: unknown
  form?: Record<string, string>
  multipart?: Record<string, string>
  /** With the Content-Type, if any, in `headers`. */
  raw?: string | Buffer
}

/**
 * A row: its number in the tutorial's table, how binding it is, the request and the response. `<JWT>` and `<id>` match
 * any token or id.
 */
export type Row = [
  number: number,
  level: 'must' | 'should',
  line: string,
  sent: Sent,
  status: number,
  body?: unknown,
  special?: Record<string, string>,
]

/** The values of the `{{names}}` in a row. */
export type Values = Record<string, string | number>

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** Responses that no document describes: redirects to another slash, unknown paths, unsupported methods. */
const UNDOCUMENTED = new Set([307, 404, 405])

/** A service on a socket, with the settings that the tutorials' own examples need. */
export async function startCompat(t: Test, settings: Parameters<typeof startService>[1] = {}) {
  const service = await startService(t, {
    PASSWORD_MIN_LENGTH: '1',
    PASSWORD_BLOCKLIST: 'off',
    LOGIN_THROTTLE: 'off',
    ...settings,
  })
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = service.app.server.address() as AddressInfo
  const contract = contractOf(service.app.openapiCompat() as Record<string, unknown>)
  return {
    service,
    port,
    /** Sends a request, and checks the response against the tutorials' OpenAPI document. */
    async send(line: string, sent: Sent = {}): Promise<Answer> {
      const answer = await send(port, line, sent)
      const [method = '', path = ''] = line.split(/[ ?]/)
      const isDocumented = method !== 'OPTIONS' && !UNDOCUMENTED.has(answer.status)
      if (isDocumented) contract.check({ ...answer, method, path, body: answer.text })
      return answer
    },
  }
}

export type Compat = Awaited<ReturnType<typeof startCompat>>

/** Registers a user as the endpoints of the tutorials do. */
export async function addUser({ app }: Service, username: string, password: string): Promise<void> {
  await app.registration.register({ username, password }, { ip: '127.0.0.1' }, { isTutorial: true })
}

/** Sends `line` ("POST /login") unchanged. Adds no headers except Host, Content-Length and the type of the body. */
function send(port: number, line: string, sent: Sent): Promise<Answer> {
  const [method = '', path = ''] = line.split(' ')
  const { type, bytes } = encode(sent)
  return new Promise((resolve, reject) => {
    const headers = { ...(type && { 'content-type': type }), 'content-length': bytes.length, ...sent.headers }
    if (bytes.length === 0 && sent.raw === undefined && !/^P/.test(method))
      Reflect.deleteProperty(headers, 'content-length')
    const client = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, async (answer) => {
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk as Buffer)
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString() })
    })
    client.on('error', reject).end(bytes)
  })
}

function encode({ json, form, multipart, raw }: Sent): { type?: string; bytes: Buffer } {
  if (json !== undefined) return { type: 'application/json', bytes: Buffer.from(JSON.stringify(json)) }
  if (form) {
    return { type: 'application/x-www-form-urlencoded', bytes: Buffer.from(new URLSearchParams(form).toString()) }
  }
  if (multipart) {
    const parts = Object.entries(multipart).map(
      ([name, value]) => `--seam\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    )
    return { type: 'multipart/form-data; boundary=seam', bytes: Buffer.from(`${parts.join('')}--seam--\r\n`) }
  }
  return { bytes: Buffer.from(raw ?? '') }
}

const SPECIAL_HEADERS = ['www-authenticate', 'allow', 'location', 'retry-after']
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/

/** Sends every row with its own values, compares the responses and counts the rows that match. */
export async function holdRows(
  t: Test,
  { port, send }: Compat,
  rows: readonly Row[],
  valuesFor: (row: number) => Values | Promise<Values> = () => ({}),
): Promise<void> {
  const held = { must: 0, should: 0 }
  for (const [number, level, line, sent, status, body, special = {}] of rows) {
    const values = { port, ...(await valuesFor(number)) }
    const answer = await send(String(fill(line, values)), fill(sent, values) as Sent)
    const expected = {
      status,
      special: fill(special, values),
      body: body === undefined ? undefined : fill(body, values),
    }
    const found = {
      status: answer.status,
      special: specialOf(answer.headers, special),
      body: body === undefined ? undefined : withBlanks(JSON.parse(answer.text), expected.body),
    }
    if (t.same(found, expected, `${level} row ${number}: ${line}`)) held[level] += 1
  }
  const count = (level: string) => rows.filter((row) => row[1] === level).length
  t.comment(`held: ${held.must} of ${count('must')} must, ${held.should} of ${count('should')} should`)
}

function specialOf(headers: IncomingHttpHeaders, expected: Record<string, string>): Record<string, unknown> {
  const names = SPECIAL_HEADERS.filter((name) => headers[name] !== undefined)
  return Object.fromEntries(
    names.map((name) => [name, name === 'allow' ? inOrderOf(headers.allow, expected.allow) : headers[name]]),
  )
}

/** Allow is a set: the order of the methods does not matter. */
function inOrderOf(found = '', expected = ''): string {
  const sort = (text: string) => text.split(', ').sort().join()
  return sort(found) === sort(expected) ? expected : found
}

/** The response, with tokens and ids replaced by placeholders where the row has them. */
function withBlanks(found: unknown, expected: unknown): unknown {
  if (expected === '<JWT>' && JWT.test(String(found))) return expected
  if (expected === '<id>' && Number.isSafeInteger(found)) return expected
  if (Array.isArray(found)) return found.map((item, index) => withBlanks(item, (expected as unknown[])?.[index]))
  if (typeof found !== 'object' || found === null) return found
  const blanks = (expected ?? {}) as Record<string, unknown>
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, withBlanks(value, blanks[name])]))
}

/**
 * Replaces the `{{names}}` in a part of a row. A text that is only one name becomes its value, with the value's type.
 */
function fill(part: unknown, values: Values): unknown {
  if (typeof part === 'string') {
    const whole = /^\{\{(\w+)\}\}$/.exec(part)?.[1]
    if (whole !== undefined) return values[whole]
    return part.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name]))
  }
  if (Array.isArray(part)) return part.map((item) => fill(item, values))
  if (typeof part !== 'object' || part === null || Buffer.isBuffer(part)) return part
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, fill(value, values)]))
}
