import type { InjectOptions } from 'fastify'
import t from 'tap'
import { type Person, startService } from '../helper.js'
import { holderOf, type Operation, operationsOf } from '../support/operations.js'
import { exampleOf, requestTo, rowsOf } from './requests.js'

/** Texts with a meaning in SQL, shells, templates or headers, and names that look like another user's. */
const INJECTIONS = [
  "'",
  '"',
  '`',
  '\\',
  "' or '1'='1",
  "' or 1=1 --",
  "' union select password_hash from users --",
  "'; drop table users; --",
  "'); delete from todos; --",
  '1 or 1=1',
  '1; select pg_sleep(5)',
  "' || (select randomblob(100000000)) || '",
  'id desc; --',
  '_%\\',
  '$1',
  '?',
  '*)(uid=*))(|(uid=*',
  '{"$ne":null}',
  '{{constructor.constructor("return process")()}}',
  '; cat /etc/passwd',
  '../../../etc/passwd',
  '\r\nX-Injected: yes',
  'a\0b',
  '\ud800',
  '\u202ejoon',
  'jооn',
  'ｊｏｏｎ',
]
t.setTimeout(300_000)

const TABLES = ['users', 'todos', 'tutorials', 'signing_keys']

t.test('injected SQL, shell, template and header text has no effect in any field, path or query', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const hold = holderOf(service)
  const joon = await service.signUp('joon')
  for (const [url, body] of [
    ['/v1/todos', { title: "Joon's own" }],
    ['/v1/tutorials', { name: "Joon's own", description: '' }],
  ] as const) {
    await joon.post(url, body)
  }
  const before = joonsRows(await rowsOf(service, TABLES), joon)

  let sent = 0
  for (const operation of operationsOf(service)) {
    const attacker = await service.signUp(`attacker.${operation.id.toLowerCase()}`.slice(0, 32))
    for (const request of attacksOn(operation, attacker)) {
      sent += 1
      const response = await service.app.inject(request)
      const name = `${request.method} ${String(request.url).slice(0, 100)} ${String(request.payload).slice(0, 200)}`
      if (response.statusCode >= 500) t.fail(`${name}: ${response.statusCode} ${response.payload}`)
      if (response.headers['x-injected'] !== undefined) t.fail(`${name}: a header was injected`)
      if (response.payload.includes("Joon's own") || /\$bcrypt/.test(response.payload))
        t.fail(`${name}: ${response.payload}`)
      hold(operation, request, response)
    }
    t.pass(operation.id)
  }
  t.ok(sent > 1_500, `${sent} requests`)

  t.same(joonsRows(await rowsOf(service, TABLES), joon), before, 'the rows of other users are unchanged')
  t.equal((await joon.get('/v1/todos')).json().items.length, 1)
  t.equal((await joon.get('/v1/tutorials')).json().items.length, 1)
  t.equal((await service.logIn('joon')).id, joon.id)
})

t.test('a megabyte in any field is rejected or ignored within two seconds of CPU time', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off', BODY_LIMIT: '1MiB' })
  for (const operation of operationsOf(service)) {
    const { token } = await service.signUp(`attacker.${operation.id.toLowerCase()}`.slice(0, 32))
    for (const schema of operation.bodies) {
      for (const name of Object.keys(schema.properties ?? {})) {
        // The second text expands eighteenfold when normalised.
        for (const text of ['x'.repeat(1_000_000), 'ﷺ'.repeat(110_000), '%'.repeat(300_000)]) {
          const body = { ...exampleOf(schema), [name]: text }
          const began = process.cpuUsage()
          const { statusCode } = await service.app.inject(requestTo(operation, { token, body }))
          const isRefused = statusCode >= 400 && statusCode < 500
          t.ok(isRefused || isLenient(operation, name), `${operation.id} ${name}: ${statusCode}`)
          const { user, system } = process.cpuUsage(began)
          t.ok(user + system < 2_000_000, `${operation.id} ${name} took ${(user + system) / 1_000} ms`)
        }
      }
    }
  }
})

/** Yields a request for every text in every position of an operation, one at a time. */
function* attacksOn(operation: Operation, { token }: Person): Generator<InjectOptions> {
  const [schema] = operation.bodies
  const body = schema && exampleOf(schema)
  for (const text of INJECTIONS) {
    if (operation.path.includes('{')) yield requestTo(operation, { token, body, id: text })
    for (const { name, in: place } of operation.parameters) {
      if (place !== 'query') continue
      const { url, ...request } = requestTo(operation, { token })
      yield { ...request, url: `${url}?${new URLSearchParams({ [name]: text })}` }
    }
    for (const one of operation.bodies) {
      for (const name of Object.keys(one.properties ?? {})) {
        yield requestTo(operation, { token, body: { ...exampleOf(one), [name]: text } })
      }
    }
  }
}

/** Parameters that the operation ignores, as OAuth or the tutorial does. */
function isLenient(operation: Operation, name: string): boolean {
  return operation.id === 'createToken' && ['refresh_token', 'client_id', 'client_secret', 'scope'].includes(name)
}

function joonsRows(rows: Awaited<ReturnType<typeof rowsOf>>, { id }: Person) {
  return {
    users: rows.users?.filter((row) => row.id === id),
    todos: rows.todos?.filter(({ userId }) => userId === id),
    tutorials: rows.tutorials?.filter(({ userId }) => userId === id),
    keys: rows.signing_keys?.length,
  }
}
