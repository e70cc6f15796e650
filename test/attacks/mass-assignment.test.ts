import { getTableColumns } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import t, { type Test } from 'tap'
import { PASSWORD, type Service, startService } from '../helper.js'
import { type Operation, operationsOf } from '../support/operations.js'
import { exampleOf, isForm, requestTo, rowsOf } from './requests.js'

const TABLES = ['users', 'sessions', 'todos', 'tutorials', 'one_time_tokens', 'signing_keys']
const WISHES = ['assigned-by-client', 424_242, 'admin', true, false, null]

t.test('v1 rejects an unknown field in a body, and names the field', async (t) => {
  const { service, names, operations } = await start(t)
  const { token, id } = await service.signUp('mina')
  const before = await rowsOf(service, TABLES)
  const v1 = operations.filter(
    ({ isCompat, tags, types }) => !isCompat && !tags.includes('admin') && !isForm({ types }),
  )
  t.ok(v1.length >= 10)
  for (const operation of v1) {
    const [body = {}] = operation.bodies
    for (const name of names.filter((name) => body.properties?.[name] === undefined)) {
      const request = requestTo(operation, { token, id: String(id), body: { ...exampleOf(body), [name]: 'admin' } })
      const { status, errors } = (await service.request(request)).json()
      const isRefused = status === 400 && errors[0].message === `unknown field: ${name}`
      if (!isRefused) t.fail(`${operation.id} ${name}: ${status}`)
    }
    t.pass(operation.id)
  }
  t.same(await rowsOf(service, TABLES), before, 'nothing has changed')
})

t.test('an admin cannot set more of an account than its role, roles and status', async (t) => {
  const { service, names, operations } = await start(t)
  const mina = await service.signUp('mina')
  const { id } = await service.signUp('boss')
  await service.app.administration.change(id, { role: 'admin' }, { id: null })
  const boss = await service.logIn('boss')
  const operation = operations.find((operation) => operation.id === 'updateUser')
  if (operation === undefined) throw new Error('no updateUser')
  const before = await rowsOf(service, TABLES)
  for (const name of names.filter((name) => !['role', 'roles', 'is_active'].includes(name))) {
    const request = requestTo(operation, { token: boss.token, id: String(mina.id), body: { [name]: 'admin' } })
    const { status, code } = (await service.request(request)).json()
    if (code !== 'validation_failed') t.fail(`${name}: ${status} ${code}`)
  }
  t.same(await rowsOf(service, TABLES), before)
})

t.test('unknown fields that tutorial and OAuth operations ignore have no effect', async (t) => {
  const { service, names, operations } = await start(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const { id } = (await mina.post('/v1/tutorials', { name: 'hers', description: 'hers' })).json()
  const lenient = operations.filter((operation) => operation.isCompat || isForm(operation))
  t.ok(lenient.length >= 9)
  let n = 0
  for (const operation of lenient) {
    for (const { properties = {}, ...body } of operation.bodies) {
      for (const wish of [...WISHES, joon.id]) {
        n += 1
        const isNew = /register|adduser/i.test(operation.id)
        const who = { username: `somebody${n}`, name: `somebody${n}`, email: `somebody${n}@example.com` }
        // No address beside the user name: log-ins by address are a choice that clients may make.
        const others = names.filter((name) => properties[name] === undefined && name !== 'email')
        const fields = {
          ...Object.fromEntries(others.map((name) => [name, wish])),
          ...exampleOf(body),
          ...(isNew && Object.fromEntries(Object.entries(who).filter(([name]) => properties[name]))),
        }
        const response = await service.app.inject(
          requestTo(operation, { token: mina.token, id: String(id), body: fields }),
        )
        const expected = isNew || operation.isGuarded ? [200, 204] : [200, 400, 401]
        t.ok(expected.includes(response.statusCode), `${operation.id} ${wish}: ${response.payload.slice(0, 200)}`)
      }
    }
  }
  const rows = await rowsOf(service, TABLES)
  for (const [table, found] of Object.entries(rows)) {
    for (const row of found) {
      const obeyed = Object.values(row).filter((value) => value === 'assigned-by-client' || value === 424_242)
      t.same(obeyed, [], `${table} ${row.id}`)
    }
  }
  t.ok((rows.users ?? []).length > 10)
  t.same([...new Set(rows.users?.map(({ role, isActive }) => `${role} ${isActive}`))], ['user true'])
  t.same(
    [...new Set(rows.tutorials?.map(({ userId }) => userId))],
    [mina.id],
    'every tutorial still belongs to its owner',
  )
  t.equal((await service.logIn('mina', PASSWORD)).id, mina.id)
})

interface Started {
  service: Service
  operations: Operation[]
  /** All names of columns, in code and in the database, and some common in other services. */
  names: string[]
}

async function start(t: Test): Promise<Started> {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const { users, sessions, todos, tutorials } = service.app.database.tables
  const columns = [users, sessions, todos, tutorials].flatMap((table: PgTable) =>
    Object.entries(getTableColumns(table)).flatMap(([name, column]) => [name, column.name]),
  )
  const names = [...new Set([...columns, 'is_admin', 'isAdmin', 'admin', 'scopes', 'password_hash', 'sub', 'owner'])]
  return { service, names, operations: operationsOf(service).filter(({ bodies }) => bodies.length > 0) }
}
