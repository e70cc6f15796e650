import { eq } from 'drizzle-orm'
import type { InjectOptions } from 'fastify'
import t, { type Test } from 'tap'
import { PASSWORD, type Person, startService } from '../helper.js'
import { ALIVE, sessionStatus, signUpAdmin } from '../support/people.js'

interface Page {
  items: { id: number; username: string | null }[]
  next_cursor: string | null
}

const FIELDS = [
  'created_at',
  'email',
  'email_verified',
  'id',
  'is_active',
  'locale',
  'name',
  'pending_email',
  'role',
  'roles',
  'updated_at',
  'username',
]
const FORBIDDEN = 'Bearer realm="latchkey", error="insufficient_scope"'

/** A request for every admin operation, about the account with this id. */
const ENDPOINTS: Record<string, (id: number) => InjectOptions> = {
  listUsers: () => ({ method: 'GET', url: '/v1/users' }),
  createUser: (id) => ({ method: 'POST', url: '/v1/users', payload: { email: `made${id}@example.com` } }),
  getUser: (id) => ({ method: 'GET', url: `/v1/users/${id}` }),
  updateUser: (id) => ({ method: 'PATCH', url: `/v1/users/${id}`, payload: { role: 'admin' } }),
  deleteUser: (id) => ({ method: 'DELETE', url: `/v1/users/${id}` }),
  revokeUserSessions: (id) => ({ method: 'DELETE', url: `/v1/users/${id}/sessions` }),
  createPasswordReset: (id) => ({ method: 'POST', url: `/v1/users/${id}/password-reset` }),
  deleteUserFactors: (id) => ({ method: 'DELETE', url: `/v1/users/${id}/factors` }),
  listEvents: () => ({ method: 'GET', url: '/v1/events' }),
  listClients: () => ({ method: 'GET', url: '/v1/clients' }),
  createClient: (id) => ({ method: 'POST', url: '/v1/clients', payload: { client_name: `Client ${id}` } }),
  getClient: () => ({ method: 'GET', url: '/v1/clients/shop' }),
  updateClient: () => ({ method: 'PATCH', url: '/v1/clients/shop', payload: { is_active: false } }),
  deleteClient: () => ({ method: 'DELETE', url: '/v1/clients/shop' }),
  addClientSecret: () => ({ method: 'POST', url: '/v1/clients/shop/secrets' }),
  endClientSecret: () => ({ method: 'DELETE', url: '/v1/clients/shop/secrets' }),
}

t.test('the list of admin operations in this file is complete', async (t) => {
  const { service } = await threePeople(t)
  const paths = Object.values(service.app.swagger().paths ?? {}) as Record<string, unknown>[]
  const operations = paths.flatMap((path) => Object.values(path)) as { operationId: string; tags: string[] }[]
  const forAdmins = operations.filter(({ tags }) => tags.includes('admin')).map(({ operationId }) => operationId)
  t.same(forAdmins.sort(), Object.keys(ENDPOINTS).sort())
})

t.test('without the admin role every admin operation is rejected for any account, and nothing changes', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  const before = (await boss.get('/v1/users')).json()
  for (const [operation, endpoint] of Object.entries(ENDPOINTS)) {
    for (const id of [joon.id, mina.id, boss.id, 4711]) {
      const answer = await mina.request(endpoint(id))
      t.match(answer.json(), { status: 403, code: 'insufficient_scope' }, `${operation} of ${id}`)
      t.equal(answer.headers['www-authenticate'], FORBIDDEN)
      t.notMatch(answer.body, /joon|boss/)
    }
    const anonymous = await service.request(endpoint(joon.id))
    t.match(anonymous.json(), { status: 401, code: 'missing_token' }, operation)
    t.equal(anonymous.headers['www-authenticate'], 'Bearer realm="latchkey"')
    const forged = await service.request({ ...endpoint(joon.id), headers: { authorization: 'Bearer x.y.z' } })
    t.match(forged.json(), { status: 401, code: 'invalid_token' }, operation)
  }
  t.equal((await mina.request({ method: 'HEAD', url: '/v1/users' })).statusCode, 403)
  t.equal(
    (await mina.patch(`/v1/users/${joon.id}`, { nonsense: true })).statusCode,
    403,
    'the role is checked before the body',
  )
  t.equal((await mina.get('/v1/users/garbage')).statusCode, 403)
  t.same((await boss.get('/v1/users')).json(), before)
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.oneTimeTokens), 0)
  for (const person of [mina, joon]) t.equal(await sessionStatus(person), ALIVE)
})

t.test('users cannot promote themselves, and a promotion takes effect with the next access token', async (t) => {
  const { service, mina } = await threePeople(t)
  for (const body of [{ role: 'admin' }, { is_admin: true }, { isAdmin: true }, { id: 1 }]) {
    const payload = { username: 'hana', password: PASSWORD, ...body }
    t.equal((await service.post('/v1/register', payload)).statusCode, 400, JSON.stringify(body))
    t.equal((await mina.patch('/v1/me', body)).statusCode, 400, JSON.stringify(body))
  }
  t.equal((await service.post('/v1/register', { username: 'boss', password: PASSWORD })).statusCode, 409)
  t.equal((await mina.get('/v1/users')).statusCode, 403)
  // The promotion is only visible in a new access token: the old token still contains the old role.
  await service.app.administration.change(mina.id, { role: 'admin' }, { id: null })
  t.equal((await mina.get('/v1/users')).statusCode, 403)
  const refreshed = await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  const headers = { authorization: `Bearer ${refreshed.json().access_token}` }
  t.equal((await service.get('/v1/users', headers)).statusCode, 200)
})

t.test('the list shows accounts, newest first, without password hashes or internal fields', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  const changes = { email: 'Mina@Example.com', name: 'Mina Kim', current_password: PASSWORD }
  await mina.patch('/v1/me', changes)
  const answer = await boss.get('/v1/users')
  const { items, next_cursor } = answer.json()
  t.same(
    items.map(({ id }: Person) => id),
    [joon.id, mina.id, boss.id],
  )
  t.equal(next_cursor, null)
  for (const item of items) t.same(Object.keys(item).sort(), FIELDS)
  t.match(items[1], { username: 'mina', email: 'Mina@Example.com', name: 'Mina Kim', role: 'user', is_active: true })
  t.match(items[2], { username: 'boss', role: 'admin', is_active: true })
  const one = await boss.get(`/v1/users/${mina.id}`)
  t.same(one.json(), items[1])
  const changed = await boss.patch(`/v1/users/${mina.id}`, { is_active: true })
  t.same({ ...changed.json(), updated_at: '' }, { ...items[1], updated_at: '' })
  const { db, tables } = service.app.database
  const [row] = await db.select().from(tables.users).where(eq(tables.users.id, mina.id))
  for (const { body } of [answer, one, changed]) {
    t.notMatch(body, String(row?.passwordHash))
    t.notMatch(body, /hash|bcrypt|\$2b|_key|Key|tries|until/)
  }
})

t.test('admin operations return 404 for an unknown user id, and 400 for an invalid one', async (t) => {
  const { boss } = await threePeople(t)
  for (const [operation, endpoint] of Object.entries(ENDPOINTS)) {
    if (!String(endpoint(4711).url).startsWith('/v1/users/4711')) continue
    t.match((await boss.request(endpoint(4711))).json(), { status: 404, code: 'not_found' }, operation)
    for (const id of ['0', '-1', 'mina', '1e0', '0x1', '99999999999999999999', '1%20', '%00']) {
      const { url, ...options } = endpoint(0)
      const answer = await boss.request({ ...options, url: String(url).replace('/0', `/${id}`) })
      t.match(answer.json(), { status: 400, code: 'validation_failed' }, `${operation} ${id}`)
    }
  }
})

t.test('a search matches part of a user name, e-mail address or name, and treats wildcards as text', async (t) => {
  const { service, boss } = await threePeople(t)
  const people = [
    { username: 'under_score', email: 'first@example.com', name: 'One Hundred%' },
    { username: 'underxscore', email: 'second@example.org', name: 'Emile Zola' },
    { username: '미나리', email: 'Third.Person@Example.com', name: 'back\\slash' },
    { email: 'no.user.name@example.com', name: '김미나' },
  ]
  for (const person of people) {
    t.equal((await service.post('/v1/register', { ...person, password: PASSWORD })).statusCode, 201)
  }
  const searches: Record<string, string[]> = {
    first: ['first@example.com'],
    FIRST: ['first@example.com'],
    'example.org': ['second@example.org'],
    'third.PERSON': ['Third.Person@Example.com'],
    hundred: ['first@example.com'],
    under: ['second@example.org', 'first@example.com'],
    under_: ['first@example.com'],
    _: ['first@example.com'],
    '%': ['first@example.com'],
    '100%': [],
    'r%s': [],
    '\\': ['Third.Person@Example.com'],
    'back\\s': ['Third.Person@Example.com'],
    미나: ['no.user.name@example.com', 'Third.Person@Example.com'],
    'emile zola': ['second@example.org'],
    "' or '1'='1": [],
    bcrypt: [],
    'nobody at all': [],
  }
  for (const [search, found] of Object.entries(searches)) {
    const answer = await boss.get(`/v1/users?search=${encodeURIComponent(search)}`)
    const { items } = answer.json() as { items: { email: string }[] }
    t.same(
      items.map(({ email }) => email),
      found,
      search,
    )
  }
  for (const search of ['', 'x'.repeat(101), 'a&search=b']) {
    t.equal((await boss.get(`/v1/users?search=${search}`)).statusCode, 400, search)
  }
})

// Databases fold the case of ASCII letters only, and do not normalise composed and decomposed letters.
t.test('a search finds names with non-ASCII letters, in lower case too', async (t) => {
  const { service, boss } = await threePeople(t)
  const names = ['Émile Zola', 'ÖSTERREICH', '김미나', '김미나'.normalize('NFD')]
  for (const [n, name] of names.entries()) {
    await service.post('/v1/register', { username: `person${n}`, name, password: PASSWORD })
  }
  const { items } = (await boss.get('/v1/users?search=person')).json() as { items: { id: number; name: string }[] }
  t.equal(items.length, 4)
  for (const { id, name } of items) {
    for (const search of [name, name.slice(0, 3), name.toLowerCase()]) {
      t.ok((await idsOf(boss, `search=${encodeURIComponent(search)}`)).includes(id), search)
    }
  }
})

t.test('?is_active lists active or disabled accounts, and an invalid filter is rejected', async (t) => {
  const { boss, mina, joon } = await threePeople(t)
  await boss.patch(`/v1/users/${joon.id}`, { is_active: false })
  const filters: Record<string, number[]> = {
    'is_active=true': [mina.id, boss.id],
    'is_active=1': [mina.id, boss.id],
    'is_active=TRUE': [mina.id, boss.id],
    'is_active=false': [joon.id],
    'is_active=false&search=mina': [],
    'is_active=false&search=joo': [joon.id],
  }
  for (const [query, ids] of Object.entries(filters)) {
    t.same(await idsOf(boss, query), ids, query)
  }
  for (const query of [
    'is_active=2',
    'is_active=',
    'is_active=truth',
    'role=owner',
    'sort=id',
    'limit=101',
    'limit=0',
  ]) {
    t.match((await boss.get(`/v1/users?${query}`)).json(), { status: 400, code: 'validation_failed' }, query)
  }
})

t.test('paging with the cursor returns each account once, and keeps the filter', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const { db, tables } = service.app.database
  const rows = Array.from({ length: 20 }, (_, n) => ({
    username: `u${n}`,
    usernameKey: `u${n}`,
    isActive: n % 2 === 0,
  }))
  await db.insert(tables.users).values(rows.map((row) => ({ ...row, passwordHash: 'x', createdAt: 1, updatedAt: 1 })))
  const walks: Record<string, number> = { '': 23, 'search=u': 20, 'is_active=false': 10, 'search=u&is_active=true': 10 }
  for (const [filter, count] of Object.entries(walks)) {
    const seen: number[] = []
    let next: string | null = ''
    while (next !== null) {
      const cursor: string = next === '' ? '' : `&cursor=${next}`
      const page: Page = (await boss.get(`/v1/users?limit=7&${filter}${cursor}`)).json()
      seen.push(...page.items.map(({ id }) => id))
      next = page.next_cursor
    }
    t.equal(seen.length, count, filter)
    t.same(
      seen,
      [...new Set(seen)].sort((a, b) => b - a),
      filter,
    )
  }
  t.match((await boss.get('/v1/users?cursor=garbage')).json(), { status: 400, code: 'invalid_cursor' })
  t.equal((await mina.get('/v1/users?limit=7')).statusCode, 403)
})

async function threePeople(t: Test) {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  return { service, boss, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}

async function idsOf(boss: Person, query: string): Promise<number[]> {
  const page: Page = (await boss.get(`/v1/users?${query}`)).json()
  return page.items.map(({ id }) => id)
}
