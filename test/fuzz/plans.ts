import fc, { type Arbitrary } from 'fast-check'
import type { Operation, Parameter } from '../support/operations.js'
import { hostileText, hostileValue, live, spoiltBody, validValue } from './arbitraries.js'

/** A request that is not sent yet: placeholders stand for ids and tokens, which are known only when it is sent. */
export interface Plan {
  operation: Operation
  method: string
  /** The index of the persona that sends the request, or is impersonated. */
  persona: number
  authorization: string | undefined
  path: string
  query: string
  headers: Record<string, string>
  body: { type: string | undefined; text: string; encoding: 'json' | 'url' | 'none' } | undefined
}

type Body = Plan['body']

/** Content types of bodies. The value of a placeholder is encoded like the body that contains it. */
const FORM = 'application/x-www-form-urlencoded'
const MULTIPART = 'multipart/form-data'

const GARBAGE_CREDENTIALS = [
  'Bearer',
  'Bearer ',
  'Bearer null',
  'Bearer ..',
  'Bearer a.b.c',
  `Bearer ${live('token')}x`,
  `Bearer ${live('token')} ${live('token')}`,
  `Bearer ${live('token')},${live('token')}`,
  `Bearer ${live('refresh', 1)}`,
  `Token ${live('token')}`,
  live('token'),
  'Basic bWluYTpodXNo',
  `Bearer eyJhbGciOiJub25lIn0.e30.`,
  'x'.repeat(4_000),
]
const ODD_TYPES = [
  undefined,
  '',
  'text/plain',
  'application/json garbage',
  'application/json; charset=utf-16',
  'application/vnd.api+json',
  'multipart/form-data; boundary="',
  'application/xml',
  'é',
  '/',
]
const RAW_BODIES = ['', 'null', '{', '[', '"text"', '[]', '{"a":1}{', '\ufeff{}', '\0', '&&=&==', '%', '{"a":1,"a":2}']

/**
 * Operations that random requests cannot complete: they need a mail, an authenticator, the secret of a client, consent,
 * or fields that match each other.
 */
export const BEYOND_CHANCE = new Set([
  ...['requestEmailVerification', 'confirmEmail', 'acceptInvitation', 'requestPasswordReset', 'resetPassword'],
  ...['requestLoginCode', 'loginWithCode'],
  ...['completeLogin', 'confirmTotp', 'updateFactor', 'deleteFactor', 'replaceRecoveryCodes'],
  ...['createClient', 'getClient', 'updateClient', 'deleteClient', 'addClientSecret', 'endClientSecret'],
  ...['introspectToken', 'revokeToken', 'createToken', 'createApiKey', 'revokeApiKey', 'createUser'],
  ...['addPasskey', 'loginWithPasskey', 'revokeApp'],
  ...['requestEnrollmentCode', 'confirmEnrollment', 'enrollTotp', 'completeTotpEnrollment'],
  ...['beginPasskeyEnrollment', 'completePasskeyEnrollment'],
  // Exists only with pages.
  'getOpenIdConfiguration',
])

/** Sent rarely: a persona without an account has no rows to attack. */
const FINAL = new Set(['deleteMe', 'deleteUser'])

/**
 * Returns a function that generates requests to these operations, about half of them valid. Operations that random
 * requests can complete but have not completed yet are sent more often.
 */
export function planner(operations: Operation[]): (succeeded: ReadonlySet<string>) => Arbitrary<Plan> {
  const plans = operations.map((operation) => ({ id: operation.id, arbitrary: planOf(operation) }))
  return (succeeded) => {
    const weightOf = (id: string) => (FINAL.has(id) ? 1 : succeeded.has(id) || BEYOND_CHANCE.has(id) ? 4 : 16)
    return fc.oneof(...plans.map(({ id, arbitrary }) => ({ weight: weightOf(id), arbitrary })))
  }
}

function planOf(operation: Operation): Arbitrary<Plan> {
  const { method, parameters } = operation
  const isAdmins = operation.tags.includes('admin')
  const query = parameters.filter((parameter) => parameter.in === 'query')
  const path = parameters.filter((parameter) => parameter.in === 'path')
  const header = parameters.filter((parameter) => parameter.in === 'header')
  return fc.record({
    operation: fc.constant(operation),
    method: method === 'GET' ? mostly(fc.constant('GET'), fc.constant('HEAD')) : fc.constant(method),
    persona: isAdmins ? fc.constantFrom(0, 1, 2, 2, 2, 2) : fc.constantFrom(0, 0, 1, 1, 2),
    authorization: credentials(operation.isGuarded),
    path: pathOf(operation.path, path),
    query: fc.oneof({ weight: 3, arbitrary: validQuery(query) }, hostileQuery(query)),
    headers: headersOf(header),
    body: bodyOf(operation),
  })
}

function mostly<Value>(usual: Arbitrary<Value>, odd: Arbitrary<Value>, weight = 6): Arbitrary<Value> {
  return fc.oneof({ weight, arbitrary: usual }, odd)
}

function credentials(isGuarded: boolean): Arbitrary<string | undefined> {
  return fc.oneof(
    { weight: isGuarded ? 8 : 2, arbitrary: fc.constant(`Bearer ${live('token')}`) },
    { weight: 1, arbitrary: fc.constantFrom(...GARBAGE_CREDENTIALS) },
    { weight: isGuarded ? 1 : 4, arbitrary: fc.constant(undefined) },
  )
}

function pathOf(path: string, parameters: Parameter[]): Arbitrary<string> {
  const name = collectionOf(path)
  const value = mostly(
    fc.nat(9_999).map((n) => live(name, n)),
    fc.oneof(
      hostileText.filter((text) => text.length < 1_000),
      fc.nat(99).map(String),
    ),
    3,
  )
  return fc
    .tuple(...parameters.map(() => value))
    .map((values) => values.reduce((filled, text) => filled.replace(/\{\w+\}/, () => encodeUrl(text)), path))
}

/** The collection that the ids in a path belong to: `todos` for /v1/todos/7. */
export function collectionOf(path: string): string {
  return /^(?:\/v1)?\/(\w+)/.exec(path)?.[1] ?? 'none'
}

function validQuery(parameters: Parameter[]): Arbitrary<string> {
  const fields = parameters.map(({ name, schema }) => [name, validValue(schema, name)])
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] }).map((query) => encodeForm(Object.entries(query)))
}

function hostileQuery(parameters: Parameter[]): Arbitrary<string> {
  const names = [...parameters.map(({ name }) => name), '__proto__', 'x', '']
  const pair = fc.tuple(fc.constantFrom(...names), hostileText)
  return mostly(
    fc.array(pair, { maxLength: 4 }).map((pairs) => encodeForm(pairs)),
    fc.constantFrom('%', '&&&', '=', 'limit', 'limit[]=1', 'limit=1&limit=2', '%zz=%zz', '?', 'access_token=x', ';'),
  )
}

/** Only bytes that a header may contain: Node's parser rejects others. */
const headerText = hostileText
  .filter((text) => text.length < 2_000)
  .map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?'))

function headersOf(parameters: Parameter[]): Arbitrary<Record<string, string>> {
  const tag = fc.oneof(
    fc.nat(9_999).map((n) => live('etag', n)),
    fc.constantFrom('*', '"1"', 'W/"1"', '"1", "2"', '"', ',', '"99999999999999999999"', '1'),
    headerText,
  )
  const odd = ['user-agent', 'x-request-id', 'x-forwarded-for', 'accept', 'x-http-method-override', 'host', 'origin']
  return fc
    .tuple(
      fc.record(Object.fromEntries(parameters.map(({ name }) => [name, tag])), { requiredKeys: [] }),
      mostly(fc.constant({}), fc.dictionary(fc.constantFrom(...odd), headerText, { maxKeys: 2 })),
    )
    .map(([known, others]) => ({ ...known, ...others }))
}

function bodyOf({ types, bodies, method }: Operation): Arbitrary<Body> {
  const [first] = bodies
  if (first === undefined) {
    // Some clients send a body with every request.
    const unasked = method === 'GET' ? fc.constant(undefined) : rawBody()
    return mostly(fc.constant<Body>(undefined), unasked)
  }
  const schema = fc.constantFrom(...bodies)
  const type = mostly(fc.constantFrom<string | undefined>(...types), fc.constantFrom(...ODD_TYPES), 20)
  return fc.oneof(
    {
      weight: 9,
      arbitrary: encoded(
        type,
        schema.chain((one) => validValue({ ...one, type: 'object' })),
      ),
    },
    { weight: 7, arbitrary: encoded(type, schema.chain(spoiltBody)) },
    { weight: 2, arbitrary: encoded(type, hostileValue) },
    { weight: 2, arbitrary: rawBody() },
  )
}

function rawBody(): Arbitrary<Body> {
  const type = fc.constantFrom('application/json', FORM, ...ODD_TYPES)
  const text = fc.oneof(fc.constantFrom(...RAW_BODIES), hostileText)
  return fc.record({ type, text, encoding: fc.constant('none' as const) })
}

function encoded(type: Arbitrary<string | undefined>, value: Arbitrary<unknown>): Arbitrary<Body> {
  return fc.tuple(type, value).map(([type, value]) => {
    const fields = typeof value === 'object' && value !== null ? Object.entries(value) : [['x', value] as const]
    if (type === FORM) return { type, text: encodeForm(fields), encoding: 'url' as const }
    if (type === MULTIPART) {
      const text = `${fields.map(([name, part]) => multipartPart(name, part)).join('')}--seam--\r\n`
      return { type: `${MULTIPART}; boundary=seam`, text, encoding: 'none' as const }
    }
    return { type, text: JSON.stringify(value), encoding: 'json' as const }
  })
}

function multipartPart(name: string, value: unknown): string {
  return `--seam\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${asText(value)}\r\n`
}

function encodeForm(fields: (readonly [string, unknown])[]): string {
  return new URLSearchParams(fields.map(([name, value]): [string, string] => [name, asText(value)])).toString()
}

/** Like encodeURIComponent, which throws on a lone surrogate. */
export function encodeUrl(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2).replaceAll('+', '%20')
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
