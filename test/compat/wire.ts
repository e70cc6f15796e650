import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type Service, startService } from '../helper.js'
import { contractOf } from '../support/contract.js'

// What a client puts on the wire, byte for byte, and the tables of what the tutorials answered to it. A row is held
// when its status, its special headers and, where the table gives one, its JSON are those.

/** What a request carries beside its line; at most one of the bodies. */
export interface Sent {
  headers?: Record<string, string>
  json?: unknown
  form?: Record<string, string>
  multipart?: Record<string, string>
  /** With the Content-Type, if any, in `headers`. */
  raw?: string | Buffer
}

/** Its number in the tutorial's table, how binding it is, the request, and the answer. `<JWT>` and `<id>` stand for any. */
export type Row = [
  number: number,
  level: 'must' | 'should',
  line: string,
  sent: Sent,
  status: number,
  body?: unknown,
  special?: Record<string, string>,
]

/** What `{{name}}` stands for in a row. */
export type Values = Record<string, string | number>

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** Other methods, the other slash and paths that are none stand in no document. */
const UNDOCUMENTED = new Set([307, 404, 405])

/** A service as the tutorials' own examples need it, listening on a socket. */
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
    /** Sends a request, and holds the answer against the tutorials' OpenAPI document. */
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

/** Somebody whom the tutorials' own tables would have held. */
export async function addUser({ app }: Service, username: string, password: string): Promise<void> {
  await app.registration.register({ username, password }, { ip: '127.0.0.1' }, { isTutorial: true })
}

/** Sends `line` ("POST /login") as it is, with no header of its own but Host and Content-Length. */
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

/** Holds every row, each with values of its own, and counts those held. */
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

/** Allow is a set: its order is no part of the contract. */
function inOrderOf(found = '', expected = ''): string {
  const sort = (text: string) => text.split(', ').sort().join()
  return sort(found) === sort(expected) ? expected : found
}

/** The answer, with tokens and ids blanked where the row has a blank. */
function withBlanks(found: unknown, expected: unknown): unknown {
  if (expected === '<JWT>' && JWT.test(String(found))) return expected
  if (expected === '<id>' && Number.isSafeInteger(found)) return expected
  if (Array.isArray(found)) return found.map((item, index) => withBlanks(item, (expected as unknown[])?.[index]))
  if (typeof found !== 'object' || found === null) return found
  const blanks = (expected ?? {}) as Record<string, unknown>
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, withBlanks(value, blanks[name])]))
}

/** The part of a row with its `{{names}}` replaced; one that is nothing but a name keeps the value's type. */
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
