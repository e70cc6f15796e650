// On SQLite alone: the schemas are the same for both databases.

import diagnostics from 'node:diagnostics_channel'
import { AjvCompiler } from '@fastify/ajv-compiler'
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { Ajv2020 } from 'ajv/dist/2020.js'
import Fastify, { type FastifyInstance, type FastifySchema, type RouteOptions } from 'fastify'
import t from 'tap'
import { startService } from '../helper.js'

// The service does not check its schemas (src/http/validation.ts, src/http/serialization.ts): a start would take a
// fifth longer.

t.test('every schema in the documents is a valid JSON Schema', async (t) => {
  const { app } = await startService(t)
  const ajv = new Ajv2020({ strict: false })
  for (const document of [app.swagger(), app.openapiCompat()]) {
    const schemas = schemasIn(document)
    t.ok(schemas.length > 50)
    const wrong = schemas.filter((schema) => !ajv.validateSchema(schema as object))
    t.same(wrong, [])
  }
})

// The documents contain the schemas of every route file, but a route can use only the schemas that its own file adds.
t.test('every route compiles with the schemas that its own file registers', async (t) => {
  const routes = routesOfNextApp()
  await startService(t, { METRICS: 'on' })
  t.ok(routes.length > 80)
  t.same(flawsOf(routes), [])
})

t.test('a reference to a missing schema is reported', async (t) => {
  const routes = routesOfNextApp()
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(async (one) => {
    one.addSchema({ $id: 'Note', type: 'object' })
    one.get('/good', { schema: { response: { 200: { $ref: 'Note' } } } }, () => '')
  })
  const missing = { $ref: 'Note' }
  app.get('/answer', { schema: { response: { 200: missing } } }, () => '')
  app.get('/typed', { schema: { response: { 200: { content: { 'text/x': { schema: missing } } } } } }, () => '')
  app.post('/body', { schema: { body: missing } }, () => '')
  t.match(flawsOf(routes), [/^GET \/answer: .*Note/, /^GET \/typed: .*Note/, /^POST \/body: .*Note/])
})

interface Route {
  /** The Fastify instance of the route's file. */
  file: FastifyInstance
  options: RouteOptions
}

/** Collects the routes of the next app. Leaves out HEAD routes, which use the schemas of GET. */
function routesOfNextApp(): Route[] {
  const routes: Route[] = []
  const onApp = (message: unknown) => {
    diagnostics.unsubscribe('fastify.initialization', onApp)
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', function (options) {
      if (options.method !== 'HEAD') routes.push({ file: this, options })
    })
  }
  diagnostics.subscribe('fastify.initialization', onApp)
  return routes
}

/** The schemas that cannot be compiled. A schema that routes of a file share is compiled once. */
function flawsOf(routes: Route[]): string[] {
  const compilers = new Map<FastifyInstance, (schema: object, isAnswer: boolean) => void>()
  return routes.flatMap(({ file, options: { method, url, schema = {} } }) => {
    const compile = compilers.get(file) ?? compilerOf(file)
    compilers.set(file, compile)
    const parts = [
      ...partsSent(schema).map((part) => ({ part, isAnswer: false })),
      ...partsAnswered(schema).map((part) => ({ part, isAnswer: true })),
    ]
    return parts.flatMap(({ part, isAnswer }) => {
      try {
        compile(part, isAnswer)
        return []
      } catch (error) {
        return [`${method} ${url}: ${(error as Error).message}`]
      }
    })
  })
}

function compilerOf(file: FastifyInstance): (schema: object, isAnswer: boolean) => void {
  const schemas = file.getSchemas()
  const place = { method: 'GET', url: '/', httpPart: 'body' }
  const compileAnswer = SerializerSelector()(schemas, {}) as (route: object) => unknown
  const compileSent = AjvCompiler()(schemas as never, { customOptions: {} } as never) as unknown as typeof compileAnswer
  const known = new Set<string>()
  return (schema, isAnswer) => {
    const key = JSON.stringify([schema, isAnswer])
    if (known.has(key)) return
    if (isAnswer) compileAnswer({ schema, ...place })
    else compileSent({ schema, ...place })
    known.add(key)
  }
}

function partsSent({ body, querystring, params, headers }: FastifySchema): object[] {
  return [body, querystring, params, headers].flatMap((part) => contentsOf(part))
}

function partsAnswered({ response = {} }: FastifySchema): object[] {
  return Object.values(response as object).flatMap(contentsOf)
}

/** The schema itself, or the schemas of its media types. */
function contentsOf(part: unknown): object[] {
  if (typeof part !== 'object' || part === null) return []
  const { content } = part as { content?: Record<string, { schema?: object }> }
  return content === undefined ? [part] : Object.values(content).flatMap(({ schema }) => schema ?? [])
}

/** The values of `schema` anywhere in a document, and the schemas in `components.schemas`. */
function schemasIn(part: unknown): unknown[] {
  if (typeof part !== 'object' || part === null) return []
  return Object.entries(part).flatMap(([name, value]) => {
    if (name === 'schema') return [value]
    if (name === 'schemas') return Object.values(value as object)
    return schemasIn(value)
  })
}
