import { getTableColumns, getTableName, is } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import t from 'tap'
import * as schema from '../../drizzle/schema.pg.js'
import { addTotp } from '../factors/people.js'
import { PASSWORD, type Person, type Service, startService } from '../helper.js'
import { registerClient } from '../support/oauth.js'
import { signUpAdmin } from '../support/people.js'
import { listen } from '../support/wire.js'

t.setTimeout(120_000)

const URL = '/v1/me/export'
const IP = '198.51.100.7'
const MANY = 10_050

/** Columns that refer to a user, in tables other than `users`. */
const OF_PEOPLE = ['user_id', 'actor_id', 'created_by', 'new_id']
/** The field of the export that contains the rows of a table. */
const EXPORTED: Record<string, string> = {
  users: 'profile',
  sessions: 'sessions',
  factors: 'factors',
  recovery_codes: 'recovery_codes_left',
  api_keys: 'api_keys',
  consents: 'apps',
  one_time_tokens: 'links',
  imported_ids: 'former_accounts',
  events: 'events',
  todos: 'todos',
  tutorials: 'tutorials',
}
/** Tables that refer to users and are not in the export, with the reason. */
const LEFT_OUT: Record<string, string> = {
  known_networks: 'keyed hashes, which say nothing: sessions and events have the addresses',
  outbox: 'mails that leave within moments, to the addresses of the profile and of the links',
}

t.test('every table that refers to a user is in the account export, or is listed as left out', async (t) => {
  const tables = Object.values(schema).filter((table) => is(table, PgTable))
  const names = tables.flatMap((table) => {
    const columns = Object.values(getTableColumns(table)).map(({ name }) => name)
    const isOfPeople = getTableName(table) === 'users' || columns.some((name) => OF_PEOPLE.includes(name))
    return isOfPeople ? [getTableName(table)] : []
  })
  t.same(names.sort(), [...Object.keys(EXPORTED), ...Object.keys(LEFT_OUT)].sort())
  const { mina } = await furnished(await startService(t))
  const document = (await mina.get(URL)).json()
  for (const [table, field] of Object.entries(EXPORTED)) {
    const value = document[field]
    t.ok(Array.isArray(value) ? value.length > 0 : value, `${table}: ${JSON.stringify(value)}`)
  }
})

t.test('an export holds everything stored about its owner, nothing about other users, and no secret', async (t) => {
  const service = await startService(t)
  const { mina, joon, boss, secrets } = await furnished(service)
  await mina.post('/v1/tutorials', { name: 'Knots', description: 'Five knots' })
  const answer = await mina.get(URL)
  t.match(answer.headers, {
    'content-disposition': 'attachment; filename="account.json"',
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
  const document = answer.json()
  t.match(document, {
    profile: { id: mina.id, username: 'mina', email: 'mina@example.com' },
    factors: [{ type: 'totp', name: 'phone', last_used_at: null }],
    recovery_codes_left: 10,
    api_keys: [{ name: 'key of mina', scope: 'todos:read', revoked_at: null }],
    apps: [{ client_id: 'shop', client_name: 'shop', scope: 'openid todos:read' }],
    links: [{ purpose: 'password_reset', address: null }],
    former_accounts: [{ id: '7', name: 'old-mina' }],
    todos: [{ title: 'todo of mina', description: null, done: false, due_at: null }],
    tutorials: [{ name: 'tutorial of mina' }, { name: 'Knots', description: 'Five knots' }],
  })
  t.match(document.events[0], { type: 'account.exported', by: 'you', ip: '127.0.0.1' }, 'the export records itself')
  const byAdmin = document.events.find(({ type }: { type: string }) => type === 'user.roles_changed')
  t.match(byAdmin, { by: 'other', ip: null, session_id: null, reason: '+editor' })
  t.notMatch(answer.payload, IP, 'the IP address of the admin is left out')
  t.notMatch(answer.payload, /joon|boss|actor_id/)
  const ofOthers = [joon, boss].flatMap(({ login }) => login.access_token.split('.')[1] ?? '')
  for (const secret of [...secrets, ...ofOthers, PASSWORD]) t.notOk(answer.payload.includes(secret), secret.slice(0, 8))
  t.notMatch(answer.payload, /lk[rkbts]_|\$argon2|\$2[aby]\$|hash|secret|otpauth/)
  t.match((await joon.get(URL)).json(), { todos: [{ title: 'todo of joon' }], factors: [] })
})

t.test('an export needs a recent log-in, is rate-limited and is in the audit log; HEAD is not recorded', async (t) => {
  const service = await startService(t, { RATE_LIMIT: '20' })
  const mina = await service.signUp('mina')
  const { db, tables } = service.app.database
  const exports = async () => (await db.select().from(tables.events)).filter(({ type }) => type === 'account.exported')
  const head = await mina.request({ method: 'HEAD', url: URL })
  t.equal(head.statusCode, 200)
  t.notOk(head.headers['content-length'], 'the length of the document is not known')
  t.same(await exports(), [])
  t.equal((await service.get(URL)).statusCode, 401)
  t.equal((await mina.get(URL)).statusCode, 200)
  t.match(await exports(), [{ userId: mina.id, actorId: mina.id, ip: '127.0.0.1' }])
  await db.update(tables.sessions).set({ authTime: Date.now() - 301_000 })
  const late = await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  const authorization = `Bearer ${late.json().access_token}`
  t.match((await service.get(URL, { authorization })).json(), { status: 401, code: 'reauthentication_required' })
  t.equal((await exports()).length, 1)
  const answers = await Promise.all(Array.from({ length: 25 }, () => mina.get(URL)))
  t.match(answers.at(-1)?.json(), { status: 429, code: 'rate_limited' })
})

t.test('a large export has every row and the newest 10,000 events, and is sent in bounded chunks', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { db, tables } = service.app.database
  const times = { createdAt: 1, updatedAt: 1 }
  for (let first = 1; first <= MANY; first += 150) {
    const ids = Array.from({ length: Math.min(150, MANY - first + 1) }, (_, n) => first + n)
    await db.insert(tables.todos).values(ids.map((id) => ({ id, userId: mina.id, title: `todo ${id}`, ...times })))
    await db.insert(tables.events).values(ids.map((id) => ({ type: 'user.updated', userId: mina.id, createdAt: id })))
  }
  const large = { description: '\u{1F512}'.repeat(10_000), userId: mina.id, ...times }
  for (let id = 1; id <= 20; id += 1) await db.insert(tables.tutorials).values({ ...large, id, name: `tutorial ${id}` })
  const port = await listen(service)
  const answer = await fetch(`http://127.0.0.1:${port}${URL}`, { headers: { authorization: `Bearer ${mina.token}` } })
  let largest = 0
  const chunks: Buffer[] = []
  for await (const chunk of answer.body ?? []) {
    largest = Math.max(largest, chunk.length)
    chunks.push(Buffer.from(chunk))
  }
  const document = JSON.parse(Buffer.concat(chunks).toString())
  t.same(
    document.todos.map(({ title }: { title: string }) => title),
    Array.from({ length: MANY }, (_, n) => `todo ${n + 1}`),
  )
  t.equal(document.tutorials.length, 20)
  t.equal(document.events.length, 10_000, 'only the newest 10,000 events')
  t.equal(document.events[0].type, 'account.exported')
  t.ok(largest <= 300_000, `${largest} bytes at once`)
})

/** Two users and an admin, with rows in every table, and the secrets that no export may contain. */
async function furnished(service: Service) {
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const boss = await signUpAdmin(service, 'boss')
  await mina.patch('/v1/me', { email: 'mina@example.com', current_password: PASSWORD })
  const again = await service.logIn('mina')
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const secrets: string[] = []
  await registerClient(service, 'shop', { scope: 'openid todos:read', redirect_uris: ['https://shop.example/'] })
  const shop = await service.app.knownClients.lookUp('shop')
  if (shop === undefined) throw new Error('no client')
  const people: [string, Person][] = [
    ['mina', again],
    ['joon', joon],
  ]
  for (const [name, person] of people) {
    await person.post('/v1/todos', { title: `todo of ${name}` })
    await person.post('/v1/tutorials', { name: `tutorial of ${name}`, description: '' })
    const key = await person.post('/v1/me/api-keys', { name: `key of ${name}`, scope: 'todos:read', expires_at })
    secrets.push(key.json().key)
    await service.app.consents.grant(shop, { userId: person.id, scope: 'openid todos:read' }, { ip: '127.0.0.1' })
    const kept = { source: 'old', kind: 'user' as const, oldId: name === 'mina' ? '7' : '8' }
    const { db, tables } = service.app.database
    await db.insert(tables.importedIds).values({ ...kept, newId: person.id, oldName: `old-${name}` })
  }
  const totp = await addTotp(again)
  secrets.push(...totp.recoveryCodes)
  await service.app.administration.change(again.id, { roles: 'editor' }, { id: boss.id, client: { ip: IP } })
  secrets.push((await boss.post(`/v1/users/${again.id}/password-reset`)).json().token)
  const { db, tables } = service.app.database
  const rows = [...(await db.select().from(tables.users)), ...(await db.select().from(tables.factors))]
  const stored = [
    ...rows,
    ...(await db.select().from(tables.apiKeys)),
    ...(await db.select().from(tables.recoveryCodes)),
  ]
  for (const row of stored as Record<string, unknown>[]) {
    for (const name of ['passwordHash', 'secret', 'keyHash', 'codeHash']) {
      if (typeof row[name] === 'string') secrets.push(row[name])
    }
  }
  secrets.push(...[again, joon].flatMap(({ login }) => [login.access_token, login.refresh_token]))
  return { mina: again, joon, boss, secrets }
}
