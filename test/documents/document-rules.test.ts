// On SQLite alone: no database.

import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifySchema } from 'fastify'
import t from 'tap'
import { User } from '../../src/api/account-schemas.js'
import { problems } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { startService } from '../helper.js'
import { freshDatabase } from '../support/databases.js'
import { type Document, flawsOf, mustBeDescribed } from '../support/document-rules.js'

const GOOD = {
  operationId: 'listNotes',
  tags: ['todos'],
  summary: 'List your notes',
  description: 'The newest first.',
  response: { 200: ref(User), ...problems(400, 401) },
}
const Nameless = Type.Object({}, { description: 'Nothing.' })

t.test('an app with a fully described route starts', async (t) => {
  const app = await appWith(t, { notes: GOOD })
  await t.resolves(async () => app.ready())
})

t.test('an app with incompletely described routes does not start in the tests, and names each of them', async (t) => {
  const { operationId: _operationId, ...withoutId } = GOOD
  const { response, ...withoutAnswers } = GOOD
  const cases: Record<string, [FastifySchema, RegExp]> = {
    nothing: [{}, /operationId in camelCase is missing/],
    'no-id': [withoutId, /operationId in camelCase is missing/],
    'snake-case-id': [{ ...GOOD, operationId: 'list_notes' }, /operationId in camelCase is missing/],
    unconditional: [
      { ...GOOD, response: { ...response, 304: noContent('-') } },
      /304 without the parameter if-none-match/,
    ],
    'no-tag': [{ ...GOOD, response: { ...response, 304: noContent('-') } }, /answers 304, but 200 has no ETag/],
    'no-answers': [withoutAnswers, /401 is not declared/],
    'no-errors': [{ ...GOOD, response: { 200: ref(User) } }, /401 is not declared/],
    'other-error': [{ ...GOOD, response: { ...response, 409: ref(User) } }, /409: is not a .*Problem/],
    'nameless-body': [{ ...GOOD, response: { ...response, 200: Nameless } }, /a body is not a component by \$ref/],
    'list-body': [{ ...GOOD, response: { ...response, 200: Type.Array(ref(User)) } }, /not a component by \$ref/],
  }
  const schemas = Object.entries(cases).map(([name, [schema]]): [string, FastifySchema] => [name, schema])
  const app = await appWith(t, { ...Object.fromEntries(schemas) })
  const { message } = await app.ready().then(
    () => new Error('It started'),
    (error: Error) => error,
  )
  const flaws = message.split('\n')
  for (const [name, [, flaw]] of Object.entries(cases)) {
    const own = flaws.filter((line) => line.startsWith(`GET /v1/${name}`))
    t.match(own.join('\n'), flaw, name)
  }
  t.notMatch(message, /GET \/v1\/todos/, 'a fully described route is not named')
})

t.test('a flaw in a schema is reported', async (t) => {
  const { app } = await startService(t)
  const documents = () => JSON.parse(JSON.stringify([app.swagger(), app.openapiCompat()])) as [Document, Document]
  t.same(flawsOf(...documents()), [])
  const cases: [string, object, RegExp][] = [
    ['Todo', { examples: [] }, /POST \/v1\/todos: a body .*Todo has no example/],
    ['Todo', { additionalProperties: false }, /the answer cannot be extended/],
    ['TodoCreate', { additionalProperties: true }, /the request body takes unknown fields/],
    ['TodoCreate', { type: 'array' }, /the body .*TodoCreate is not an object/],
    ['TodoCreate', { properties: { done: { type: 'boolean', description: '-', default: false } } }, /has a default/],
    ['User', { properties: { role: { anyOf: [{ const: 'user' }] } } }, /User\.role: uses anyOf/],
    ['User', { properties: { role: { enum: ['user'], description: '-' } } }, /User\.role: enum without type/],
    ['User', { properties: { name: { type: 'string', nullable: true } } }, /User\.name: uses nullable/],
    ['User', { properties: { name: { type: 'string' } } }, /User\.name: description is missing/],
    ['User', { properties: { createdOn: { type: 'string' } } }, /User\.createdOn: is not in snake_case/],
    ['User', { properties: { seen_at: { type: 'string' } } }, /User\.seen_at: is a time without format/],
  ]
  for (const [component, change, flaw] of cases) {
    const [v1, compat] = documents()
    Object.assign(v1.components.schemas[component] ?? {}, change)
    t.match(flawsOf(v1, compat).join('\n'), flaw)
  }
  const [v1, compat] = documents()
  delete v1.paths['/v1/clients']?.post?.responses[201]?.headers
  t.same(flawsOf(v1, compat), ['POST /v1/clients: 201 has no Location'])
})

type Test = Parameters<typeof freshDatabase>[0]

async function appWith(t: Test, schemas: Record<string, FastifySchema>): Promise<FastifyInstance> {
  const app = await buildApp(loadConfig({ ...(await freshDatabase(t)), LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  mustBeDescribed(app)
  for (const [name, schema] of Object.entries(schemas)) app.get(`/v1/${name}`, { schema }, async () => ({}))
  return app
}
