import { METHODS } from 'node:http'
import { getTableName } from 'drizzle-orm'
import t from 'tap'
import { ownedTables } from '../../src/database/owned-tables.js'
import { addTotp } from '../factors/people.js'
import { claimsOf, startService } from '../helper.js'
import { operationsOf } from '../support/operations.js'
import { signUpAdmin } from '../support/people.js'
import { exampleOf, requestTo, rowsOf } from './requests.js'

t.setTimeout(120_000)

/** Without CONNECT, which never reaches a handler, and QUERY, which Fastify rejects without a content type. */
const VERBS = METHODS.filter((method) => !['CONNECT', 'QUERY'].includes(method))
const CONDITIONS: Record<string, string>[] = [
  {},
  { 'if-match': '*' },
  { 'if-match': '"1"' },
  { 'if-none-match': '*' },
  { 'if-none-match': '"1"' },
]
/** A text that must not be in any response to another user. */
const PRIVATE = 'private-to-mina'

t.test('other users cannot read or change a resource by its id, with any method, condition or body', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const boss = await signUpAdmin(service, 'boss')
  const tables = ownedTables(service.app.database.tables)
  const rows: Record<string, string> = {}
  for (const name of Object.keys(tables)) {
    const creating = operationsOf(service).find(({ method, path }) => method === 'POST' && path === `/v1/${name}`)
    const body = Object.entries(exampleOf(creating?.bodies[0] ?? {})).map(([field, value]) => [
      field,
      creating?.bodies[0]?.properties?.[field]?.format === undefined && typeof value === 'string' ? PRIVATE : value,
    ])
    const row = (await mina.post(`/v1/${name}`, Object.fromEntries(body))).json()
    t.match(JSON.stringify(row), PRIVATE, name)
    rows[`/v1/${name}/{id}`] = String(row.id)
  }
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const key = (await mina.post('/v1/me/api-keys', { name: PRIVATE, scope: 'profile', expires_at })).json()
  await boss.post('/v1/clients', { client_id: 'billing', client_name: 'Billing' })
  const billing = await service.app.knownClients.lookUp('billing')
  if (billing === undefined) throw new Error('no client')
  await service.app.consents.grant(billing, { userId: mina.id, scope: PRIVATE }, { ip: '127.0.0.1' })
  const ids: Record<string, string> = {
    ...rows,
    '/tutorials/{id}': String(rows['/v1/tutorials/{id}']),
    '/v1/sessions/{id}': String(claimsOf(mina.token).sid),
    '/v1/me/api-keys/{id}': key.id,
    '/v1/me/apps/{client_id}': 'billing',
    '/v1/clients/{id}': 'billing',
    '/v1/clients/{id}/secrets': 'billing',
    '/v1/users/{id}': String(mina.id),
    '/v1/users/{id}/sessions': String(mina.id),
    '/v1/users/{id}/factors': String(mina.id),
    '/v1/me/factors/{id}': (await addTotp(mina)).id,
    '/v1/users/{id}/password-reset': String(mina.id),
  }
  const operations = operationsOf(service).filter(({ path }) => path.includes('{'))
  const paths = [...new Set(operations.map(({ path }) => path))]
  t.same(
    paths.filter((path) => ids[path] === undefined),
    [],
    'every path with an id is tested: add a path here unless its table is one of ownedTables',
  )
  const mine = ['api_keys', 'factors', 'recovery_codes']
  const kept = ['users', 'sessions', 'clients', ...mine, ...Object.values(tables).map(getTableName)]
  const before = await rowsOf(service, kept)

  for (const path of paths) {
    const [operation, ...others] = operations.filter((candidate) => candidate.path === path)
    if (operation === undefined) throw new Error(path)
    const [schema] = [operation, ...others].flatMap(({ bodies }) => bodies)
    const body = schema && exampleOf(schema)
    // Admins may use admin operations, but no other operation on rows of another user.
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
          if ((!isRefused && !isOptions) || response.payload.includes(PRIVATE)) t.fail(name)
        }
      }
    }
    t.pass(path)
  }

  t.same(await rowsOf(service, kept), before, 'nothing has changed')
  for (const { path } of operationsOf(service).filter(({ method }) => method === 'GET')) {
    for (const { token } of [joon, boss]) {
      const { payload } = await service.app.inject({ url: path, headers: { authorization: `Bearer ${token}` } })
      t.notMatch(payload, PRIVATE, path)
    }
  }
})
