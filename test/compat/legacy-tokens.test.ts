import { createHmac } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { type Config, loadConfig } from '../../src/config/config.js'
import { startService } from '../helper.js'
import { encode, hmac, openForge } from '../support/forge.js'
import { type Compat, startCompat } from './wire.js'

const SECRET = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
const OTHER_SECRET = '60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752'
const FOREVER = '2999-01-31'
const HS256 = { alg: 'HS256', typ: 'JWT' }
const REVOKED = '401 {"msg":"Token has been revoked"}'
const STRANGER = '422 {"msg":"Signature verification failed"}'
const PASSWORD = 'three quiet lanterns'

t.test('a legacy token is valid until the cut-off, for its user and at the tutorial endpoints alone', async (t) => {
  const cutOff = Math.ceil(Date.now() / 1_000) + 3_600
  const until = new Date(cutOff * 1_000).toISOString().replace('.000', '')
  const { compat, mina, joon, ask } = await movedIn(t, { LEGACY_TOKENS: `${SECRET}@${until}` })
  const json = { name: 'New Video', description: '1234' }
  const headers = { authorization: `Bearer ${oldToken({ sub: 2 })}` }
  const made = await compat.send('POST /tutorials', { headers, json })
  t.match(JSON.parse(made.text), { user_id: mina, ...json })
  t.match(await ask({ sub: 2 }), /^200 \[\{.*"New Video"/)
  t.match(await ask({ sub: 'mina' }), /^200 \[\{/, 'sub is the old user name')
  t.match(await ask({ sub: '2' }), /^200 \[\{/, 'sub is the old id as text')
  t.equal(await ask({ sub: 3 }), '200 []', 'joon has no tutorials')
  const id = JSON.parse(made.text).id
  const ofJoon = { headers: { authorization: `Bearer ${oldToken({ sub: 3 })}` } }
  t.equal((await compat.send(`DELETE /tutorials/${id}`, ofJoon)).status, 404)
  t.not(mina, 2, 'the old id is not the new one')
  t.not(joon, 3)
  for (const url of ['/v1/me', '/v1/tutorials', '/v1/todos', '/v1/sessions']) {
    t.equal((await compat.service.get(url, headers)).statusCode, 401, url)
  }
  t.equal((await compat.service.post('/v1/logout', undefined, headers)).statusCode, 401)
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => cutOff * 1_000 + 50
  t.equal(await ask({ sub: 2 }), STRANGER, 'after the cut-off the secret is not accepted')
})

t.test('a legacy token is rejected if it names no imported user, is expired or is not yet valid', async (t) => {
  const { compat, mina, ask } = await movedIn(t)
  const now = Math.floor(Date.now() / 1_000)
  for (const [claims, answer] of [
    [{ sub: mina }, REVOKED],
    [{ sub: 99 }, REVOKED],
    [{ sub: 'nobody' }, REVOKED],
    [{ sub: 'MINA' }, REVOKED],
    [{ sub: '' }, REVOKED],
    [{ sub: 2.5 }, REVOKED],
    [{ sub: null }, REVOKED],
    [{ sub: ['2'] }, REVOKED],
    [{ sub: { id: 2 } }, REVOKED],
    [{ sub: 'mina\0' }, REVOKED],
    [{ sub: 'mina\ud800' }, REVOKED],
    // The old name of one user and the old id of another.
    [{ sub: '3' }, REVOKED],
    [{ sub: 2, type: 'refresh' }, REVOKED],
    [{ sub: 2, iat: now + 3_600 }, REVOKED],
    [{ sub: 2, exp: now - 1 }, '401 {"msg":"Token has expired"}'],
    [{ sub: 2, exp: undefined }, STRANGER],
    [{ sub: 2, nbf: now + 3_600 }, STRANGER],
  ] as const) {
    t.equal(await ask(claims), answer, JSON.stringify(claims))
  }
  // 50 is an id of another import, and 51 the id of a tutorial, not of a user.
  const { db, tables } = compat.service.app.database
  await db.insert(tables.importedIds).values({ source: 'other', kind: 'user', oldId: '50', newId: mina })
  await db.insert(tables.importedIds).values({ source: 'import', kind: 'tutorial', oldId: '51', newId: mina })
  t.equal(await ask({ sub: 50 }), REVOKED)
  t.equal(await ask({ sub: 51 }), REVOKED)
})

t.test('each legacy secret is valid only for users of its own import', async (t) => {
  const LEGACY_TOKENS = `${SECRET}@${FOREVER},${OTHER_SECRET}@${FOREVER}@other`
  const { compat, joon, ask } = await movedIn(t, { LEGACY_TOKENS })
  const { db, tables } = compat.service.app.database
  await db.insert(tables.importedIds).values({ source: 'other', kind: 'user', oldId: '2', newId: joon })
  await db
    .insert(tables.tutorials)
    .values({ userId: joon, name: 'of joon', description: '', createdAt: 0, updatedAt: 0 })
  t.equal(await ask({ sub: 2 }), '200 []')
  t.match(await ask({ sub: 2 }, OTHER_SECRET), /^200 \[\{.*of joon/)
  t.equal(await ask({ sub: 'mina' }, OTHER_SECRET), REVOKED)
  t.match(await ask({ sub: 3 }), /^200 \[\{.*of joon/, 'the user of the first import who owns this tutorial')
  t.equal(await ask({ sub: 3 }, OTHER_SECRET), REVOKED)
})

t.test('a log-out everywhere, a password change, disabling or a promotion ends legacy tokens for good', async (t) => {
  const { compat, mina, ask } = await movedIn(t)
  const { accounts, administration, registration, database } = compat.service.app
  const { importedIds } = database.tables
  const reset = () => database.db.update(importedIds).set({ notBefore: null })
  const iat = Math.floor(Date.now() / 1_000) - 60
  const isIn = async (claims: object = {}) => (await ask({ sub: 2, iat, ...claims })).slice(0, 3)
  const person = await compat.service.logIn('mina')

  await person.delete('/v1/sessions')
  t.equal(await isIn(), '401', 'after a log-out of all other sessions')
  t.equal(await isIn({ iat: undefined }), '401', 'a token without iat may be older')
  t.equal(await isIn({ iat: iat + 120 }), '401', 'a token with iat in the future is rejected')
  t.equal((await ask({ sub: 3, iat })).slice(0, 3), '200', 'tokens of other users stay valid')
  await reset()
  t.equal(await isIn(), '200')
  const changes = [
    await person.post('/v1/me/password', { current_password: 'wrong', new_password: 'four louder lanterns' }),
    await person.post('/v1/me/password', { current_password: PASSWORD, new_password: 'x'.repeat(257) }),
    await person.post('/v1/me/delete', { current_password: 'wrong' }),
  ]
  for (const { statusCode, payload } of changes) t.ok(statusCode >= 400 && statusCode < 500, payload)
  t.equal(await isIn(), '200', 'a rejected change ends nothing')

  await accounts.endSessions(mina, { id: null })
  t.equal(await isIn(), '401', 'after a log-out by an admin')
  await reset()
  const again = await compat.service.logIn('mina')
  const set = await again.post('/v1/me/password', { current_password: PASSWORD, new_password: 'four louder lanterns' })
  t.equal(set.statusCode, 204, set.payload)
  t.equal(await isIn(), '401', 'after a password change')
  await reset()

  await administration.change(mina, { isActive: false }, { id: null })
  t.equal(await isIn(), '401', 'after the account was disabled')
  await administration.change(mina, { isActive: true }, { id: null })
  t.equal(await isIn(), '401', 'after the account was enabled again')
  await reset()
  await administration.change(mina, { role: 'admin' }, { id: null })
  t.equal(await isIn(), '401', 'a legacy token of an admin is rejected')
  await administration.change(
    (await registration.create({ username: 'other', password: PASSWORD })).id,
    { role: 'admin' },
    { id: null },
  )
  await accounts.delete(mina, { id: null })
  t.equal(await isIn(), '401', 'after the account was deleted')
  t.same(await database.db.select({ name: importedIds.oldName }).from(importedIds).where(eq(importedIds.newId, mina)), [
    { name: null },
  ])
})

t.test('a legacy token with any other algorithm or key than HS256 and the secret is rejected', async (t) => {
  const { compat, mina } = await movedIn(t)
  const forge = await openForge(compat.service, await compat.service.logIn('mina'))
  const claims = { sub: 2, exp: Math.floor(Date.now() / 1_000) + 600 }
  const ours = { ...forge.claims, sub: String(mina) }
  const signed = (header: object, payload: object, seal: (input: string) => Buffer) => {
    const input = `${encode({ ...header })}.${encode({ ...payload })}`
    return `${input}.${seal(input).toString('base64url')}`
  }
  const none = () => Buffer.alloc(0)
  const forged: Record<string, string> = {
    'our public key as the secret (PEM)': signed(HS256, claims, hmac('sha256', forge.pem)),
    'our public key as the secret (JWK)': signed(HS256, claims, hmac('sha256', forge.jwk)),
    'the same, with our kid': signed({ ...HS256, kid: forge.kid }, ours, hmac('sha256', forge.pem)),
    'no secret': signed(HS256, claims, hmac('sha256', '')),
    'alg none': signed({ alg: 'none', typ: 'JWT' }, claims, none),
    'alg None, unsigned': signed({ alg: 'None' }, claims, none),
    'alg hs256': signed({ alg: 'hs256' }, claims, hmac('sha256', SECRET)),
    'HS256 without a signature': signed(HS256, claims, none),
    'HS512 with the secret': signed({ alg: 'HS512', typ: 'JWT' }, claims, hmac('sha512', SECRET)),
    'HS384 with the secret': signed({ alg: 'HS384', typ: 'JWT' }, claims, hmac('sha384', SECRET)),
    'HS256 that says HS512': signed({ alg: 'HS512', typ: 'JWT' }, claims, hmac('sha256', SECRET)),
    'HS512 that says HS256': signed(HS256, claims, hmac('sha512', SECRET)),
    'ES256 that says HS256': signed(HS256, claims, forge.seal),
    'HS256 that says ES256, with our kid': signed(
      { alg: 'ES256', typ: 'at+jwt', kid: forge.kid },
      ours,
      hmac('sha256', SECRET),
    ),
    'ES256 of ours, with old claims': signed({ alg: 'ES256', typ: 'at+jwt', kid: forge.kid }, claims, forge.seal),
    'an unknown crit': signed({ ...HS256, crit: ['x'], x: 1 }, claims, hmac('sha256', SECRET)),
    'the hash of the secret': signed(HS256, claims, (input) =>
      createHmac('sha256', createHmac('sha256', SECRET).digest()).update(input).digest(),
    ),
    'the secret decoded from hex': signed(HS256, claims, (input) =>
      createHmac('sha256', Buffer.from(SECRET, 'hex')).update(input).digest(),
    ),
  }
  for (const [what, token] of Object.entries(forged)) {
    const { status, text } = await compat.send('GET /tutorials', { headers: { authorization: `Bearer ${token}` } })
    t.ok(status === 401 || status === 422, `${what}: ${status} ${text}`)
  }
  // Headers cannot choose the key: with any of these, only the legacy secret verifies the signature.
  for (const header of [
    { kid: '../../dev/null' },
    { kid: 'constructor' },
    { jku: 'http://127.0.0.1:1/' },
    { kid: forge.kid },
  ]) {
    const token = signed({ ...HS256, ...header }, claims, hmac('sha256', SECRET))
    t.equal((await compat.send('GET /tutorials', { headers: { authorization: `Bearer ${token}` } })).status, 200)
    const forgedToken = signed({ ...HS256, ...header }, claims, hmac('sha256', OTHER_SECRET))
    t.equal((await compat.send('GET /tutorials', { headers: { authorization: `Bearer ${forgedToken}` } })).status, 422)
  }
  const { authorization } = { authorization: `Bearer ${signed(HS256, claims, hmac('sha256', SECRET))}` }
  t.equal(
    (await compat.send('GET /tutorials', { headers: { authorization: authorization.replace('Bearer', 'bearer') } }))
      .status,
    401,
  )
})

t.test('published, weak and reused legacy secrets are rejected, in any spelling', async (t) => {
  const published = [
    '437374e9d2dc467abe0d0ab9b985c742',
    'super-secret-key',
    '4ab2fce7a6bd79e1c014396315ed322dd6edb1c5d975c6b74a2904135172c03c',
    '1184cf8c81a173ab236d500cd2a98cf37cf2ad32d33052a523107d892dfad6a3',
    '344a451d26d1968c0cd4ca12613e5f61b0f71dafced442c730edba55bb9035bc',
  ]
  const wrong: [string, RegExp][] = [
    ...published.flatMap((secret): [string, RegExp][] => [
      [`${secret}@${FOREVER}`, /printed in a public tutorial/],
      [`${secret.toUpperCase()}@${FOREVER}`, /printed in a public tutorial/],
      [`${secret}\0\0\0\0@${FOREVER}`, /printed in a public tutorial/],
      [`${secret} @${FOREVER}@shop`, /printed in a public tutorial/],
      [`${SECRET}@${FOREVER}, ${secret}@${FOREVER}`, /printed in a public tutorial/],
    ]),
    [`${SECRET}\0@${FOREVER}`, /control characters/],
    [`short@${FOREVER}`, /at least 32 bytes/],
    [`${SECRET.slice(0, 62)}@${FOREVER}`, /at least 32 bytes/],
    [`${'a'.repeat(64)}@${FOREVER}`, /placeholder/],
    [SECRET, /the day on which it stops being accepted/],
    [`${SECRET}@`, /the day on which/],
    [`${SECRET}@2027-13-45`, /the day on which/],
    [`@${FOREVER}`, /the day on which/],
  ]
  for (const [LEGACY_TOKENS, says] of wrong) {
    t.throws(() => loadConfig({ LEGACY_TOKENS }), says, LEGACY_TOKENS)
    try {
      loadConfig({ LEGACY_TOKENS })
    } catch (error) {
      t.notMatch((error as Error).message, SECRET.slice(0, 20), 'the message does not repeat the secret')
    }
  }
  const base64 = Buffer.from(SECRET, 'hex').toString('base64')
  for (const SECRET_KEY of [SECRET, SECRET.toUpperCase(), base64, `${OTHER_SECRET},${SECRET}`]) {
    await t.rejects(
      startService(t, { SECRET_KEY, LEGACY_TOKENS: `${SECRET}@${FOREVER}` }),
      /LEGACY_TOKENS contains SECRET_KEY/,
    )
  }
})

/** A token of flask-jwt-extended with these claims changed. */
function oldToken(claims: object, secret = SECRET): string {
  const now = Math.floor(Date.now() / 1_000)
  const all = {
    fresh: false,
    iat: now - 60,
    jti: 'x',
    type: 'access',
    sub: 1,
    nbf: now - 60,
    exp: now + 3_600,
    ...claims,
  }
  const input = `${encode(HS256)}.${encode(all)}`
  return `${input}.${hmac('sha256', secret)(input).toString('base64url')}`
}

/**
 * A service with two imported users: mina, whose old id is 2, and joon, whose old id is 3. A third user's old name is
 * `3`.
 */
async function movedIn(t: Test, settings: Partial<Record<keyof Config, string>> = {}) {
  const compat: Compat = await startCompat(t, { LEGACY_TOKENS: `${SECRET}@${FOREVER}`, ...settings })
  const { registration, database } = compat.service.app
  await registration.create({ username: 'here-first', password: PASSWORD })
  const add = async (username: string, oldId: string, oldName = username) => {
    const { id } = await registration.create({ username, password: PASSWORD })
    const row = { source: 'import', kind: 'user' as const, oldId, newId: id, oldName }
    await database.db.insert(database.tables.importedIds).values(row)
    return id
  }
  await add('three', '14', '3')
  await add('four', '15')
  const [mina, joon] = [await add('mina', '2'), await add('joon', '3')]
  return {
    compat,
    mina,
    joon,
    async ask(claims: object, secret = SECRET): Promise<string> {
      const headers = { authorization: `Bearer ${oldToken(claims, secret)}` }
      const { status, text } = await compat.send('GET /tutorials', { headers })
      return `${status} ${text}`
    },
  }
}
