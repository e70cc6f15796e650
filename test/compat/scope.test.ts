// On SQLite alone: OpenAPI documents and paths do not depend on the database.

import t from 'tap'
import { startService } from '../helper.js'
import { startCompat } from './wire.js'

const TUTORIALS = ['fastapi-todo', 'flask-tutorials', 'flask-smorest-login', 'flask-restful-login', 'fastapi-login']
const OPERATIONS = [
  'fastapiLogIn',
  'fastapiTodoAddUser',
  'fastapiTodoLogIn',
  'fastapiTodoReadRoot',
  'flaskRestfulLogIn',
  'flaskSmorestLogIn',
  'flaskTutorialsCreate',
  'flaskTutorialsDelete',
  'flaskTutorialsList',
  'flaskTutorialsRegister',
  'flaskTutorialsUpdate',
]

interface Document {
  tags: { name: string }[]
  paths: Record<string, Record<string, { operationId: string; tags: string[]; summary: string; description: string }>>
  components: { schemas: Record<string, { examples?: unknown[] }> }
}

const operationsOf = ({ paths }: Document) => Object.values(paths).flatMap((operations) => Object.values(operations))

t.test('the tutorial operations have an OpenAPI document of their own', async (t) => {
  const service = await startService(t)
  const compat: Document = (await service.get('/openapi-compat.json')).json()
  const operations = operationsOf(compat)
  t.same(operations.map(({ operationId }) => operationId).sort(), OPERATIONS)
  t.same(
    compat.tags.map(({ name }) => name),
    TUTORIALS,
  )
  for (const { operationId, tags, summary, description } of operations) {
    t.equal(tags.length, 1, operationId)
    t.ok(summary && description, operationId)
  }
  for (const [name, { examples }] of Object.entries(compat.components.schemas)) t.ok(examples, name)

  for (const v1 of [service.app.swagger(), service.app.openapi30()] as unknown as Document[]) {
    t.same(
      operationsOf(v1).filter(({ tags }) => tags.some((tag) => TUTORIALS.includes(tag))),
      [],
    )
    t.same(
      Object.keys(v1.components.schemas).filter((name) => name in compat.components.schemas),
      [],
    )
  }
  t.match((await service.get('/docs/static/swagger-initializer.js')).payload, /openapi-compat\.json/)
})

t.test('v1 answers are not affected by the tutorial endpoints', async (t) => {
  const { service, send } = await startCompat(t)
  const form = new URLSearchParams({ username: 'mina', password: 'x' }).toString()
  const answers = [
    await service.get('/nope'),
    await service.get('/v1/me'),
    await service.post('/v1/login', form, { 'content-type': 'application/x-www-form-urlencoded' }),
    await service.post('/v1/login', { username: 'mina', password: 'wrong' }),
    await service.post('/v1/login', { username: 'mina' }),
  ]
  t.same(
    answers.map(({ statusCode }) => statusCode),
    [404, 401, 415, 401, 400],
  )
  for (const { headers } of answers) t.match(headers['content-type'], /^application\/problem\+json/)
  t.equal((await send('GET /', { headers: { accept: 'text/html,*/*' } })).headers.location, '/docs')
})

t.test('COMPAT=off removes the tutorial endpoints', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  for (const url of ['/login', '/login/', '/register', '/token', '/api/user/login', '/users/add_user/', '/tutorials']) {
    const answer = await service.post(url, {})
    t.match(answer.json(), { status: 404, code: 'not_found' }, url)
  }
  t.match((await service.get('/')).json(), { code: 'not_found' })
  t.equal((await service.get('/', { accept: 'text/html' })).headers.location, '/docs')
  t.equal((await service.get('/openapi-compat.json')).statusCode, 404)
  t.notMatch((await service.get('/docs/static/swagger-initializer.js')).payload, /openapi-compat/)
  t.same((service.app.openapiCompat() as unknown as Document).paths, {})
})
