import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { countBy, PASSWORD, type Person, type Service, startService } from '../helper.js'
import { SQLITE_ONLY } from '../support/databases.js'
import { ALIVE, DEAD, sessionStatus, signUpAdmin } from '../support/people.js'
import { fileOf } from '../support/sqlite.js'

const NEXT = 'four louder lanterns'
const REFUSED = { status: 400, code: 'invalid_reset_token' }

t.test('a reset token that an admin creates sets a new password once and ends all sessions of the user', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  const elsewhere = await service.logIn('mina')
  const made = await boss.post(`/v1/users/${mina.id}/password-reset`)
  t.equal(made.statusCode, 201)
  t.equal(made.headers['cache-control'], 'no-store')
  const { token, expires_at } = made.json()
  t.same(Object.keys(made.json()).sort(), ['expires_at', 'token'])
  t.match(token, /^lkt_[\w-]{64}$/)
  const hours = (Date.parse(expires_at) - Date.now()) / 3_600_000
  t.ok(hours > 0.9 && hours <= 1, `${hours} hours`)
  t.equal(await sessionStatus(mina), ALIVE, 'creating a token changes nothing')
  t.equal((await logIn(service, PASSWORD)).statusCode, 200)

  const used = await reset(service, token)
  t.equal(used.statusCode, 204)
  t.equal(used.body, '')
  for (const person of [mina, elsewhere]) t.equal(await sessionStatus(person), DEAD)
  t.match((await logIn(service, PASSWORD)).json(), { status: 401, code: 'invalid_credentials' })
  t.match((await logIn(service, NEXT)).json(), { user: { id: mina.id } })
  t.match((await reset(service, token, 'five loudest lanterns')).json(), REFUSED, 'a token works once')
  t.equal((await logIn(service, NEXT)).statusCode, 200)
  for (const person of [boss, joon]) t.equal(await sessionStatus(person), ALIVE)
  t.equal((await service.logIn('joon')).id, joon.id)
})

t.test(
  'the token is shown once: neither the database nor any other answer has it',
  { skip: SQLITE_ONLY },
  async (t) => {
    const { service, boss, mina } = await threePeople(t)
    const token = await makeToken(boss, mina)
    const dump = await dumpOf(service)
    const bytes = Buffer.from(token.slice('lkt_'.length), 'base64url')
    const [id, mac] = [bytes.subarray(0, 16), bytes.subarray(16)]
    t.ok(dump.includes(id.toString('base64url')), 'the database holds the id of the token')
    for (const text of [token, bytes, mac, mac.toString('hex'), mac.toString('base64url')]) {
      t.notOk(dump.includes(text))
    }
    for (const url of ['/v1/users', `/v1/users/${mina.id}`, '/v1/events']) t.notMatch((await boss.get(url)).body, token)
    t.not(await makeToken(boss, mina), token)
  },
)

t.test('a reset with an invalid token or a malformed body is rejected', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const token = await makeToken(boss, mina)
  const hash = createHash('sha256').update(token).digest('base64url')
  const garbage = [
    'x',
    hash,
    randomBytes(32).toString('base64url'),
    `${token}=`,
    ` ${token}`,
    token.toUpperCase(),
    '\0',
  ]
  for (const text of [...garbage, token.slice(0, -1), "' or '1'='1", '__proto__', mina.login.refresh_token]) {
    t.match((await reset(service, text)).json(), REFUSED, JSON.stringify(text))
  }
  const malformed = [
    { token },
    { new_password: NEXT },
    { token, new_password: NEXT, user_id: 1 },
    { token: [token], new_password: NEXT },
    { token: { $ne: null }, new_password: NEXT },
    { token: '', new_password: NEXT },
    { token: 'x'.repeat(129), new_password: NEXT },
    { token, new_password: 12345678 },
  ]
  for (const body of malformed) {
    t.match((await service.post('/v1/password-reset', body)).json(), { status: 400 }, JSON.stringify(body).slice(0, 60))
  }
  t.equal((await logIn(service, PASSWORD)).statusCode, 200)
  t.equal((await reset(service, token)).statusCode, 204, 'the valid token still works')
})

t.test('a password that is refused does not use the token up', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const token = await makeToken(boss, mina)
  const refused = ['seven77', 'password1234567', 'Latchkey2026!', 'four\0louder lanterns', 'x'.repeat(257), '']
  for (const password of refused) {
    const answer = await reset(service, token, password)
    t.equal(answer.statusCode, 400, JSON.stringify(password))
    t.match(answer.json().code, /^(password_rejected|validation_failed)$/, JSON.stringify(password))
  }
  t.equal(await sessionStatus(mina), ALIVE)
  t.equal((await logIn(service, PASSWORD)).statusCode, 200)
  t.equal((await reset(service, token)).statusCode, 204)
})

t.test('a reset that gets 503 because the hash queue is full does not use the token up', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '0' })
  const boss = await signUpAdmin(service, 'boss')
  const people = []
  for (let n = 0; n < 8; n += 1) people.push(await service.signUp(`mina${n}`))
  const tokens = await Promise.all(people.map((person) => makeToken(boss, person)))
  const answers = await Promise.all(tokens.map((token) => reset(service, token)))
  const tooMany = tokens.filter((_token, index) => answers[index]?.statusCode === 503)
  t.ok(tooMany.length > 0)
  for (const token of tooMany) t.equal((await reset(service, token)).statusCode, 204, 'the token works on the next try')
})

t.test('a token expires after an hour, and only expired tokens are deleted', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const { db, tables } = service.app.database
  const old = { purpose: 'password_reset', userId: mina.id, createdAt: Date.now() - 3_600_000 } as const
  const made = await service.app.database.transaction((db) => service.app.oneTimeTokens.create(db, old))
  const token = made?.token ?? ''
  t.match((await reset(service, token)).json(), REFUSED)
  t.equal((await logIn(service, PASSWORD)).statusCode, 200)
  const fresh = await makeToken(boss, mina)
  await service.app.oneTimeTokens.prune()
  t.equal(await db.$count(tables.oneTimeTokens), 1, 'only expired tokens are deleted')
  t.equal((await reset(service, fresh)).statusCode, 204)
})

t.test('of ten simultaneous resets with one token, one sets the password', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const token = await makeToken(boss, mina)
  const wanted = Array.from({ length: 10 }, (_, n) => `${NEXT} ${n}`)
  const answers = await Promise.all(wanted.map((password) => reset(service, token, password)))
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 204: 1, 400: 9 },
  )
  for (const [index, password] of wanted.entries()) {
    const { statusCode } = await logIn(service, password)
    t.equal(statusCode, answers[index]?.statusCode === 204 ? 200 : 401, password)
  }
})

t.test('a reset voids all other tokens of the user, and none of other users', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  const [first, second, joons] = [await makeToken(boss, mina), await makeToken(boss, mina), await makeToken(boss, joon)]
  t.equal((await reset(service, second)).statusCode, 204)
  t.match((await reset(service, first, 'five loudest lanterns')).json(), REFUSED)
  t.equal((await logIn(service, NEXT)).statusCode, 200)
  t.equal((await reset(service, joons)).statusCode, 204)
})

t.test('reset tokens are void once the user has changed the password', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const token = await makeToken(boss, mina)
  await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEXT })
  t.equal((await reset(service, token, 'five loudest lanterns')).statusCode, 400)
  t.equal((await logIn(service, NEXT)).statusCode, 200)
})

t.test('a token of a disabled or deleted account is rejected', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  const [token, joons] = [await makeToken(boss, mina), await makeToken(boss, joon)]
  await boss.patch(`/v1/users/${mina.id}`, { is_active: false })
  t.match((await reset(service, token)).json(), REFUSED)
  t.match((await logIn(service, NEXT)).json(), { status: 401 })
  await boss.delete(`/v1/users/${joon.id}`)
  t.match((await reset(service, joons)).json(), REFUSED)
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.oneTimeTokens, eq(tables.oneTimeTokens.userId, joon.id)), 0)
})

t.test('users who are not admins cannot create reset tokens, not even for themselves', async (t) => {
  const { service, boss, mina, joon } = await threePeople(t)
  for (const id of [mina.id, joon.id, boss.id, 4711]) {
    const answer = await mina.post(`/v1/users/${id}/password-reset`)
    t.match(answer.json(), { status: 403, code: 'insufficient_scope' }, `${id}`)
    t.equal((await service.post(`/v1/users/${id}/password-reset`)).statusCode, 401)
  }
  t.match((await boss.post('/v1/users/4711/password-reset')).json(), { status: 404, code: 'not_found' })
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.oneTimeTokens), 0)
})

t.test('a password reset ends the lock that failed log-ins caused', async (t) => {
  const { service, boss, mina } = await threePeople(t)
  const token = await makeToken(boss, mina)
  for (let n = 0; n < 10; n += 1) await logIn(service, 'three loud lanterns')
  t.equal((await logIn(service, PASSWORD)).statusCode, 429)
  t.equal((await reset(service, token)).statusCode, 204)
  t.equal((await logIn(service, NEXT)).statusCode, 200)
})

async function threePeople(t: Test) {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  return { service, boss, mina: await service.signUp('mina'), joon: await service.signUp('joon') }
}

async function makeToken(boss: Person, { id }: Person): Promise<string> {
  return (await boss.post(`/v1/users/${id}/password-reset`)).json().token
}

function reset(service: Service, token: string, password = NEXT) {
  return service.post('/v1/password-reset', { token, new_password: password })
}

function logIn(service: Service, password: string) {
  return service.post('/v1/login', { username: 'mina', password })
}

/** All bytes of the database, including its write-ahead log. */
async function dumpOf(service: Service): Promise<Buffer> {
  const folder = dirname(fileOf(service))
  return Buffer.concat(await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name)))))
}
