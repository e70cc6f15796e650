import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import type { Service } from '../helper.js'
import { contractOf } from './contract.js'

/** The part of JSON Schema that the service's own requests use. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  enum?: string[]
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  examples?: unknown[]
  additionalProperties?: boolean
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
}

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  schema: Schema
}

/** An operation of an OpenAPI document, and what a client may send to it. */
export interface Operation {
  id: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Has parameters in braces. */
  path: string
  tags: string[]
  /** Whether the operation is in the tutorials' document. */
  isCompat: boolean
  /** Whether the operation needs an access token. */
  isGuarded: boolean
  parameters: Parameter[]
  /** The media types of the request body; empty without a body. */
  types: string[]
  /** The schemas of the request body, without references; more than one where the operation serves two tutorials. */
  bodies: Schema[]
}

interface Documented {
  operationId: string
  tags: string[]
  security?: unknown[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}

interface OpenApi {
  paths: Record<string, Record<string, Documented>>
  components: { schemas: Record<string, Schema> }
}

/** Every operation of both documents, so that the attacks cover a new operation immediately. */
export function operationsOf({ app }: Service): Operation[] {
  const documents = [app.swagger(), app.openapiCompat()] as unknown as [OpenApi, OpenApi]
  return documents.flatMap(({ paths, components }, index) =>
    Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { operationId, tags, security, parameters = [], requestBody }]) => {
        const content = requestBody?.content ?? {}
        const [body] = Object.values(content)
        return {
          id: operationId,
          method: method.toUpperCase() as Operation['method'],
          path,
          tags,
          isCompat: index === 1,
          isGuarded: security?.length !== 0,
          parameters,
          types: Object.keys(content),
          bodies: body === undefined ? [] : alternatives(body.schema, components.schemas),
        }
      }),
    ),
  )
}

function alternatives(schema: Schema, components: Record<string, Schema>): Schema[] {
  const found = schema.$ref === undefined ? schema : components[schema.$ref.split('/').at(-1) ?? '']
  if (found === undefined) throw new Error(`no schema ${schema.$ref}`)
  return found.anyOf?.flatMap((part) => alternatives(part, components)) ?? [found]
}

export type Hold = (operation: Operation, request: InjectOptions, response: Response) => void

/**
 * Returns a function that checks a response against the operation's document, and throws if it is not declared there.
 */
export function holderOf(service: Service): Hold {
  const compat = contractOf(service.app.openapiCompat() as Record<string, unknown>)
  return (operation, { method = 'GET', url }, { statusCode: status, headers, payload: body }) => {
    const path = String(url).split('?')[0] ?? ''
    const exchange = { method, path, status, headers, body }
    if (!operation.isCompat) return service.contract.check(exchange)
    // A path that is undecodable or too long is rejected before routing, and an empty id results in another path.
    const isUnrouted = status < 500 && /problem/.test(String(headers['content-type']))
    const isElsewhere = path.endsWith('/') && !operation.path.endsWith('/')
    if (!isUnrouted && !isElsewhere) compat.check(exchange)
  }
}
