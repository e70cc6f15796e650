import { join } from 'node:path'
import t from 'tap'
import { claimsOf, countBy, PASSWORD, Person, startService, temporaryFolder } from '../helper.js'

const FIELDS_OF_A_USER = [
  'created_at',
  'email',
  'email_verified',
  'id',
  'locale',
  'name',
  'pending_email',
  'role',
  'roles',
  'updated_at',
  'username',
]

t.test('people register with a user name, an e-mail address or both, and are logged in', async (t) => {
  const service = await startService(t)
  const ways = [
    { username: 'mina' },
    { email: 'joon@example.com' },
    { username: 'Soo-ah', email: 'Soo@Example.com', name: 'Soo-ah Park' },
  ]
  const ids = new Set<number>()
  for (const given of ways) {
    const response = await service.post('/v1/register', { ...given, password: PASSWORD })
    t.equal(response.statusCode, 201)
    t.equal(response.headers.location, '/v1/me')
    t.equal(response.headers['cache-control'], 'no-store')
    const body = response.json()
    t.match(body, { token_type: 'Bearer', expires_in: 600 })
    t.strictSame(Object.keys(body.user).sort(), FIELDS_OF_A_USER)
    const expected = { username: null, email: null, name: null, role: 'user', ...given }
    t.strictSame({ ...expected, ...body.user }, body.user, 'as it was given, and nothing else')
    t.equal(claimsOf(body.access_token).sub, String(body.user.id))
    t.notMatch(response.payload, /password|bcrypt|three quiet/)
    const person = new Person(service, body)
    t.strictSame((await person.get(response.headers.location ?? '')).json(), body.user)
    t.equal((await service.post('/v1/refresh', { refresh_token: body.refresh_token })).statusCode, 200)
    ids.add(person.id)
  }
  t.equal(ids.size, ways.length)
})

t.test('a registration without a user name and an e-mail address is rejected', async (t) => {
  const service = await startService(t)
  const response = await service.post('/v1/register', { name: 'Mina', password: PASSWORD })
  t.match(response.json(), {
    status: 400,
    code: 'validation_failed',
    errors: [{ path: '/username', message: 'is required, unless email is given' }],
  })
  t.equal(await countUsers(service), 0)
})

t.test('a taken user name or e-mail address is rejected with its own code, and nothing is stored', async (t) => {
  const service = await startService(t)
  const mina = { username: 'mina', email: 'mina@example.com', name: 'Mina' }
  t.equal((await service.post('/v1/register', { ...mina, password: PASSWORD })).statusCode, 201)
  const attempts = [
    { given: { username: 'mina' }, code: 'username_taken' },
    { given: { username: 'MINA' }, code: 'username_taken' },
    { given: { username: 'ｍｉｎａ' }, code: 'username_taken' },
    { given: { username: 'mina', email: 'joon@example.com' }, code: 'username_taken' },
    { given: { email: 'mina@example.com' }, code: 'email_taken' },
    { given: { email: 'MINA@EXAMPLE.COM' }, code: 'email_taken' },
    { given: { username: 'joon', email: 'mina@example.com' }, code: 'email_taken' },
    { given: mina, code: 'username_taken' },
  ]
  for (const { given, code } of attempts) {
    const response = await service.post('/v1/register', { ...given, password: 'another good phrase' })
    t.equal(response.statusCode, 409, JSON.stringify(given))
    t.equal(response.json().code, code)
    t.notMatch(response.payload, /token|"id"|example/, 'the answer reveals nothing about the existing account')
  }
  t.equal(await countUsers(service), 1)
  t.equal((await service.logIn('mina')).id, 1, 'the password of the existing account is unchanged')
  const joon = await service.post('/v1/register', { username: 'joon', email: 'joon@example.com', password: PASSWORD })
  t.equal(joon.statusCode, 201, 'a name from a refused registration is free')
})

t.test('fields that users may not set are rejected and not stored', async (t) => {
  const service = await startService(t)
  const fields: [string, unknown][] = [
    ['role', 'admin'],
    ['id', 1],
    ['is_active', false],
    ['isActive', true],
    ['isAdmin', true],
    ['password_hash', 'x'],
    ['passwordHash', 'x'],
    ['username_key', 'root'],
    ['created_at', 0],
    ['', 'nameless'],
  ]
  for (const [field, value] of fields) {
    const response = await service.post('/v1/register', { username: 'mina', password: PASSWORD, [field]: value })
    t.equal(response.statusCode, 400, field)
    t.equal(response.json().code, 'validation_failed')
    t.match(response.json().errors[0].message, /unknown field|additional properties/)
  }
  t.equal(await countUsers(service), 0)
  t.equal((await service.signUp('mina')).login.user.role, 'user')
})

t.test('a body that would pollute object prototypes is rejected', async (t) => {
  const service = await startService(t)
  const start = `{"username":"mina","password":"${PASSWORD}",`
  for (const rest of [
    '"__proto__":{"role":"admin"}}',
    '"\\u005f_proto__":{"role":"admin"}}',
    '"constructor":{"prototype":{"role":"admin"}}}',
  ]) {
    const response = await service.post('/v1/register', start + rest, { 'content-type': 'application/json' })
    t.match(response.json(), { status: 400, code: /^(malformed_body|validation_failed)$/ }, rest)
  }
  t.equal(await countUsers(service), 0)
  t.notOk('role' in {}, 'Object.prototype is unchanged')
})

t.test('values of another type are rejected, and never converted to text', async (t) => {
  const service = await startService(t)
  const good = { username: 'mina', password: PASSWORD }
  const bodies: unknown[] = [
    ...[123, true, null, ['mina'], { toString: 'mina' }].map((username) => ({ ...good, username })),
    ...[12345678, true, null, [PASSWORD], {}].map((password) => ({ ...good, password })),
    ...[1, false, ['mina@example.com']].map((email) => ({ ...good, email })),
    ...[1, false, ['Mina']].map((name) => ({ ...good, name })),
    { username: 'mina' },
    [good],
    [],
  ]
  for (const body of bodies) {
    const response = await service.post('/v1/register', body)
    t.match(response.json(), { status: 400, code: 'validation_failed' }, JSON.stringify(body))
  }
  for (const text of ['null', '"mina"', '1', '', '{', '{"username":"mina",}']) {
    const response = await service.post('/v1/register', text, { 'content-type': 'application/json' })
    t.match(response.json(), { status: 400, code: /^(malformed_body|validation_failed)$/ }, text)
  }
  t.equal(await countUsers(service), 0)
})

t.test('closed registration rejects every name alike, and existing users still log in', async (t) => {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const open = await startService(t, { DATABASE_URL })
  await open.signUp('mina')
  const closed = await startService(t, { DATABASE_URL, REGISTRATION: 'closed' })
  // Different responses would reveal which names exist.
  for (const username of ['joon', 'mina', 'admin']) {
    const response = await closed.post('/v1/register', { username, password: PASSWORD })
    t.equal(response.statusCode, 403, username)
    t.equal(response.json().code, 'registration_closed')
  }
  t.equal((await closed.logIn('mina')).login.user.username, 'mina')
  t.equal(await countUsers(closed), 1)
})

t.test('of twenty simultaneous registrations of one name, one succeeds', async (t) => {
  const races: { code: string; given: (index: number) => object }[] = [
    { code: 'username_taken', given: (index) => ({ username: index % 2 ? 'mina' : 'Mina' }) },
    {
      code: 'email_taken',
      given: (index) => ({ username: `joon-${index}`, email: index % 2 ? 'joon@example.com' : 'JOON@example.com' }),
    },
  ]
  const service = await startService(t)
  for (const { code, given } of races) {
    const before = await countUsers(service)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        service.post('/v1/register', { ...given(index), password: `${PASSWORD} ${index}` }),
      ),
    )
    t.strictSame(
      countBy(answers, ({ statusCode }) => statusCode),
      { 201: 1, 409: 19 },
    )
    t.strictSame(
      countBy(answers, (answer) => answer.json().code ?? 'registered'),
      { registered: 1, [code]: 19 },
    )
    t.equal(await countUsers(service), before + 1)
    const winner = answers.findIndex(({ statusCode }) => statusCode === 201)
    const name = code === 'email_taken' ? 'joon@example.com' : 'mina'
    t.equal((await service.logIn(name, `${PASSWORD} ${winner}`)).id, answers[winner]?.json().user.id)
  }
})

async function countUsers({ app }: Awaited<ReturnType<typeof startService>>): Promise<number> {
  const { db, tables } = app.database
  return (await db.select({ id: tables.users.id }).from(tables.users)).length
}
