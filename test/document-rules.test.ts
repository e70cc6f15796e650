import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifySchema } from 'fastify'
import t from 'tap'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config.js'
import { problems, ref, User } from '../src/schemas.js'
import { freshDatabase } from './databases.js'
import { type Document, flawsOf, mustBeDescribed } from './document-rules.js'
import { startService } from './helper.js'

const GOOD = {
  operationId: 'listNotes',
  tags: ['todos'],
  summary: 'List your notes',
  description: 'The newest first.',
  response: { 200: ref(User), ...problems(400, 401) },
}
const Nameless = Type.Object({}, { description: 'Nothing.' })

t.test('an app with a route that says enough of itself starts', async (t) => {
  const app = await appWith(t, GOOD)
  await t.resolves(async () => app.ready())
})

t.test('an app with a route that says too little does not start in the tests, and names the route', async (t) => {
  const { operationId: _operationId, ...withoutId } = GOOD
  const { response, ...withoutAnswers } = GOOD
  const cases: [string, FastifySchema, RegExp][] = [
    ['nothing at all', {}, /GET \/v1\/notes: operationId in camelCase is missing/],
    ['no operationId', withoutId, /GET \/v1\/notes: operationId in camelCase is missing/],
    ['an operationId in snake_case', { ...GOOD, operationId: 'list_notes' }, /operationId in camelCase/],
    ['the operationId of another', { ...GOOD, operationId: 'listTodos' }, /listTodos: operationId is there twice/],
    ['no tag', { ...GOOD, tags: [] }, /exactly one tag/],
    ['two tags', { ...GOOD, tags: ['todos', 'me'] }, /exactly one tag/],
    ['a tag of nowhere', { ...GOOD, tags: ['notes'] }, /tag notes is not declared/],
    ['no summary', { ...GOOD, summary: '' }, /summary is missing/],
    ['no description', { ...GOOD, description: '' }, /description is missing/],
    ['no answers', withoutAnswers, /200: description of the answer is missing/],
    ['no errors', { ...GOOD, response: { 200: ref(User) } }, /401 is not declared/],
    ['an error that is no Problem', { ...GOOD, response: { ...response, 409: ref(User) } }, /409: is not a .*Problem/],
    ['a body without a name', { ...GOOD, response: { ...response, 200: Nameless } }, /not a component by \$ref/],
    ['a list as a body', { ...GOOD, response: { ...response, 200: Type.Array(ref(User)) } }, /not a component/],
    ['a parameter without a word', { ...GOOD, querystring: Type.Object({ q: Type.String() }) }, /parameter q has no/],
  ]
  for (const [name, schema, flaw] of cases) {
    const app = await appWith(t, schema)
    await t.rejects(async () => app.ready(), flaw, name)
  }
})

t.test('what is wrong with a shape is seen', async (t) => {
  const { app } = await startService(t)
  const documents = () => JSON.parse(JSON.stringify([app.swagger(), app.openapiCompat()])) as [Document, Document]
  t.same(flawsOf(...documents()), [])
  const cases: [string, object, RegExp][] = [
    ['Todo', { examples: [{ id: 'one' }] }, /Todo: an example is not valid/],
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
})

async function appWith(t: Parameters<typeof freshDatabase>[0], schema: FastifySchema): Promise<FastifyInstance> {
  const app = await buildApp(loadConfig({ ...(await freshDatabase(t)), LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  mustBeDescribed(app)
  app.get('/v1/notes', { schema }, async () => ({}))
  return app
}
