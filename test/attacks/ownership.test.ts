import { METHODS } from 'node:http'
import t from 'tap'
import { claimsOf, startService } from '../helper.js'
import { operationsOf } from '../operations.js'
import { signUpAdmin } from '../people.js'
import { exampleOf, requestTo, rowsOf } from './requests.js'

/** Fastify refuses a QUERY that names no content type; CONNECT never gets to a handler. */
const VERBS = METHODS.filter((method) => !['CONNECT', 'QUERY'].includes(method))
const CONDITIONS: Record<string, string>[] = [
  {},
  { 'if-match': '*' },
  { 'if-match': '"1"' },
  { 'if-none-match': '*' },
  { 'if-none-match': '"1"' },
]
const TABLES = ['users', 'sessions', 'todos', 'tutorials']

t.test('whatever has an id is not there for anybody else, with any verb, condition or body', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const boss = await signUpAdmin(service, 'boss')
  const todo = (await mina.post('/v1/todos', { title: 'private-to-mina', description: 'private-to-mina' })).json()
  const tutorial = (
    await mina.post('/v1/tutorials', { name: 'private-to-mina', description: 'private-to-mina' })
  ).json()
  const ids: Record<string, string> = {
    '/v1/todos/{id}': String(todo.id),
    '/v1/tutorials/{id}': String(tutorial.id),
    '/tutorials/{id}': String(tutorial.id),
    '/v1/sessions/{id}': String(claimsOf(mina.token).sid),
    '/v1/users/{id}': String(mina.id),
    '/v1/users/{id}/sessions': String(mina.id),
    '/v1/users/{id}/password-reset': String(mina.id),
  }
  const operations = operationsOf(service).filter(({ path }) => path.includes('{'))
  const paths = [...new Set(operations.map(({ path }) => path))]
  t.same(
    paths.filter((path) => ids[path] === undefined),
    [],
    'every address with an id is attacked: add a new one here',
  )
  const before = await rowsOf(service, TABLES)

  for (const path of paths) {
    const [operation, ...others] = operations.filter((candidate) => candidate.path === path)
    if (operation === undefined) throw new Error(path)
    const [schema] = [operation, ...others].flatMap(({ bodies }) => bodies)
    const body = schema && exampleOf(schema)
    // What is for admins is for admins; everything else is not theirs either.
    const attackers = operation.tags.includes('admin') ? [joon] : [joon, boss]
    for (const { token } of attackers) {
      for (const verb of VERBS) {
        for (const condition of CONDITIONS) {
          const withType = { ...operation, types: ['application/json'] }
          const { headers, ...request } = requestTo(withType, { token, body, id: ids[path] ?? '' })
          const response = await service.app.inject({
            ...request,
            method: verb as 'GET',
            headers: { ...headers, ...condition },
          })
          const name = `${verb} ${path} ${JSON.stringify(condition)}: ${response.statusCode}`
          const isRefused = [403, 404, 405].includes(response.statusCode)
          const isOptions = verb === 'OPTIONS' && operation.isCompat && response.payload === ''
          if ((!isRefused && !isOptions) || response.payload.includes('private-to-mina')) t.fail(name)
        }
      }
    }
    t.pass(path)
  }

  t.same(await rowsOf(service, TABLES), before, 'nothing has changed')
  for (const { path } of operationsOf(service).filter(({ method }) => method === 'GET')) {
    for (const { token } of [joon, boss]) {
      const { payload } = await service.app.inject({ url: path, headers: { authorization: `Bearer ${token}` } })
      t.notMatch(payload, 'private-to-mina', path)
    }
  }
})
