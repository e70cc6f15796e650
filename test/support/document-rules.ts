import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { packageRoot } from '../../src/package.js'

// Rules for operations that client generators depend on, and that linters cannot check. redocly.yaml and .spectral.yaml
// contain the other rules.

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  format?: string
  description?: string
  properties?: Record<string, Schema>
  additionalProperties?: unknown
  items?: Schema
  examples?: unknown[]
  [keyword: string]: unknown
}
type Content = Record<string, { schema: Schema }>
interface Response {
  description?: string
  headers?: Record<string, { description?: string; schema: Schema }>
  content?: Content
}
interface Operation {
  operationId?: string
  security?: unknown[]
  parameters?: { name: string; in: string; description?: string }[]
  requestBody?: { content: Content }
  responses: Record<string, Response>
}
export interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/**
 * RFC 6749 defines the errors of these operations, and lets them ignore unknown parameters. Errors from earlier steps
 * are Problems.
 */
const OAUTH_ENDPOINTS = ['createToken', 'introspectToken', 'revokeToken']
const OAUTH_REQUESTS = ['TokenRequest', 'TokenForm']
const CAMEL_CASE = /^[a-z][a-z0-9]*([A-Z][a-z0-9]*)*$/
const SNAKE_CASE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/
/** WebAuthn level 3 defines the names in these schemas, which browsers read and write. */
const OF_BROWSERS = /^(PasskeyCreationOptions|PasskeyRequestOptions|CreatedPasskey|ShownPasskey)\b/
const REF = /^#\/components\/schemas\/(\w+)$/

/**
 * Documents that passed the rules, by their hash: most apps have the same documents. A build starts with an empty
 * folder.
 */
const SOUND = join(packageRoot, 'dist-test', 'sound-documents')

/** Makes the start of an app fail if one of its operations is not fully described. */
export function mustBeDescribed(app: FastifyInstance): void {
  app.addHook('onReady', async () => {
    const documents = [app.swagger(), app.openapiCompat()] as unknown as [Document, Document]
    const hash = createHash('sha256').update(JSON.stringify(documents)).digest('hex')
    if (existsSync(join(SOUND, hash))) return
    const flaws = flawsOf(...documents)
    if (flaws.length > 0) throw new Error(`the OpenAPI documents break their rules:\n${flaws.join('\n')}`)
    mkdirSync(SOUND, { recursive: true })
    writeFileSync(join(SOUND, hash), '')
  })
}

/**
 * The flaws of the two documents: of v1's in every respect, of the tutorials' only where no tutorial defines the
 * format.
 */
export function flawsOf(v1: Document, compat: Document): string[] {
  return [
    ...operationsOf(v1).flatMap(([name, operation]) => [
      ...flawsOfText(name, operation),
      ...flawsOfAnswers(name, operation),
      ...flawsOfBodies(name, operation, v1),
    ]),
    ...Object.entries(v1.components.schemas).flatMap(([name, schema]) => flawsOfSchema(name, schema)),
    ...flawsOfCreations(v1),
    ...operationsOf(compat).flatMap(([name, operation]) => flawsOfText(name, operation)),
    ...[v1, compat].flatMap(bodiesWithoutExample),
  ]
}

function operationsOf({ paths }: Document): [string, Operation][] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
}

function flawsOfText(name: string, { operationId = '', responses }: Operation): string[] {
  return [
    ...unless(CAMEL_CASE.test(operationId), `${name}: operationId in camelCase is missing`),
    ...Object.entries(responses).flatMap(([status, { description, headers = {} }]) => [
      ...unless(
        description && description !== 'Default Response',
        `${name} ${status}: description of the answer is missing`,
      ),
      ...Object.entries(headers).flatMap(([header, { description }]) =>
        unless(description, `${name} ${status}: header ${header} has no description`),
      ),
    ]),
  ]
}

/** Whoever creates something that has an address of its own is told the address. */
function flawsOfCreations({ paths }: Document): string[] {
  return Object.entries(paths).flatMap(([path, { post }]) => {
    const created = paths[`${path}/{id}`]?.get && post?.responses[201]
    return unless(!created || created.headers?.Location, `POST ${path}: 201 has no Location`)
  })
}

/** Every possible status is declared, and every error is a Problem. */
function flawsOfAnswers(name: string, operation: Operation): string[] {
  const { operationId, security, parameters = [], requestBody, responses } = operation
  const isOAuth = OAUTH_ENDPOINTS.includes(operationId ?? '')
  const needed = [
    500,
    503,
    ...(isOAuth ? [] : ['default']),
    // 400: an unreadable Authorization header.
    ...(security?.length === 0 ? [] : [400, 401]),
    ...(requestBody ? [400, 413, 415] : []),
    ...(parameters.length > 0 ? [400] : []),
    ...(parameters.some((parameter) => parameter.in === 'path') ? [404] : []),
    ...(parameters.some((parameter) => parameter.name === 'if-match') ? [412] : []),
  ]
  const isConditional = parameters.some((parameter) => parameter.name === 'if-none-match')
  const [type, shape] = isOAuth
    ? ['application/json', '#/components/schemas/OAuthError']
    : ['application/problem+json', '#/components/schemas/Problem']
  return [
    ...unless(!responses[304] || isConditional, `${name}: 304 without the parameter if-none-match`),
    ...[200, 304].flatMap((status) =>
      unless(!responses[304] || responses[status]?.headers?.ETag, `${name}: answers 304, but ${status} has no ETag`),
    ),
    ...[...new Set(needed)].flatMap((status) => unless(responses[status], `${name}: ${status} is not declared`)),
    ...Object.entries(responses).flatMap(([status, { content = {} }]) =>
      unless(
        Number(status) < 400 || (Object.keys(content).join() === type && content[type]?.schema.$ref === shape),
        `${name} ${status}: is not a ${shape} in ${type} alone`,
      ),
    ),
  ]
}

/** Bodies have names and are objects. Request bodies are closed, response bodies are open. */
function flawsOfBodies(name: string, { requestBody, responses }: Operation, document: Document): string[] {
  const sent = Object.values(requestBody?.content ?? {})
  const answered = Object.values(responses).flatMap(({ content = {} }) => Object.values(content))
  return [
    ...[...sent, ...answered].flatMap(({ schema }) => [
      ...unless(componentOf(schema, document), `${name}: a body is not a component by $ref`),
      ...unless(
        componentOf(schema, document)?.type === 'object',
        `${name}: the body ${schema.$ref ?? ''} is not an object`,
      ),
    ]),
    ...sent.flatMap(({ schema }) => {
      const { additionalProperties, properties = {} } = componentOf(schema, document) ?? {}
      return [
        ...unless(
          additionalProperties === false || OAUTH_REQUESTS.includes(schema.$ref?.split('/').at(-1) ?? ''),
          `${name}: the request body takes unknown fields`,
        ),
        ...Object.entries(properties).flatMap(([field, { default: value }]) =>
          unless(value === undefined, `${name}: ${field} has a default, which clients then require`),
        ),
      ]
    }),
    ...answered.flatMap(({ schema }) =>
      unless(
        componentOf(schema, document)?.additionalProperties === undefined,
        `${name}: the answer cannot be extended`,
      ),
    ),
  ]
}

/** Only schemas that generated clients of every language understand. */
function flawsOfSchema(name: string, schema: Schema): string[] {
  return [
    ...['anyOf', 'oneOf', 'allOf', 'const', 'nullable', 'not'].flatMap((keyword) =>
      unless(schema[keyword] === undefined, `${name}: uses ${keyword}`),
    ),
    ...unless(schema.enum === undefined || schema.type === 'string', `${name}: enum without type: string`),
    ...unless(schema.type !== undefined || schema.$ref !== undefined, `${name}: has no type`),
    ...unless(schema.description || schema.$ref, `${name}: description is missing`),
    ...Object.entries(schema.properties ?? {}).flatMap(([field, property]) => [
      ...unless(SNAKE_CASE.test(field) || OF_BROWSERS.test(name), `${name}.${field}: is not in snake_case`),
      ...unless(
        !field.endsWith('_at') || property.format === 'date-time',
        `${name}.${field}: is a time without format date-time`,
      ),
      ...flawsOfSchema(`${name}.${field}`, property),
    ]),
    ...(schema.items ? flawsOfSchema(`${name}[]`, { description: 'That of the list.', ...schema.items }) : []),
  ]
}

/** Bodies without an example. Redocly checks whether the examples are valid. */
function bodiesWithoutExample(document: Document): string[] {
  return operationsOf(document).flatMap(([name, { requestBody, responses }]) =>
    [requestBody ?? {}, ...Object.values(responses)]
      .flatMap(({ content = {} }) => Object.values(content))
      .flatMap(({ schema }) => {
        // Only in the tutorials: lists without a name, and errors with either of two schemas.
        const { items, anyOf } = schema as { items?: Schema; anyOf?: Schema[] }
        return [...(anyOf ?? [items ?? schema])].flatMap((part) =>
          unless(componentOf(part, document)?.examples?.length, `${name}: a body ${part.$ref ?? ''} has no example`),
        )
      }),
  )
}

function componentOf(schema: Schema, { components }: Document): Schema | undefined {
  return components.schemas[REF.exec(schema.$ref ?? '')?.[1] ?? '']
}

function unless(isSo: unknown, flaw: string): string[] {
  return isSo ? [] : [flaw]
}
