import { generateKeyPairSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { eq } from 'drizzle-orm'
import { calculateJwkThumbprint, decodeProtectedHeader, SignJWT } from 'jose'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { openSecret } from '../../src/tokens/secret.js'
import { Keys } from '../../src/tokens/signing-keys.js'
import { claimsOf, type Person, Service, startService } from '../helper.js'

const JWKS = '/.well-known/jwks.json'
const METADATA = '/.well-known/oauth-authorization-server'

t.test('the public keys are published, without any part of the private keys', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const response = await service.get(JWKS)
  t.match(response.headers, { 'content-type': /^application\/json/, 'cache-control': 'public, max-age=300' })
  const { keys, ...rest } = response.json()
  t.same(rest, {})
  t.equal(keys.length, 1)
  const [key] = keys
  t.same(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  t.match(key, { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', x: /^[\w-]{43}$/, y: /^[\w-]{43}$/ })
  t.equal(key.kid, await calculateJwkThumbprint(key))
  t.equal(key.kid, kidOf(mina))
})

t.test('the JWKS returns 304 for its current ETag, until the keys change', async (t) => {
  const service = await startService(t)
  const { etag } = (await service.get(JWKS)).headers
  t.match(etag, /^"[^"]+"$/)
  for (const tags of [`${etag}`, `W/${etag}`, `"other", ${etag}`, '*']) {
    const fresh = await service.get(JWKS, { 'if-none-match': tags })
    t.match(fresh, { statusCode: 304, payload: '' }, tags)
    t.match(fresh.headers, { etag, 'cache-control': 'public, max-age=300' })
  }
  t.equal((await service.get(JWKS, { 'if-none-match': '"other"' })).statusCode, 200)
  await service.app.keys.rotate()
  const changed = await service.get(JWKS, { 'if-none-match': `${etag}` })
  t.equal(changed.statusCode, 200)
  t.not(changed.headers.etag, etag)
})

t.test('the next key is published before it signs, and nobody is logged out by the change', async (t) => {
  const service = await startService(t)
  const { keys } = service.app
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const first = kidOf(mina)
  const next = await keys.rotate()
  t.same(await kidsOf(service), [first, next])
  t.equal(kidOf(await service.logIn('mina')), first, 'published, and not signing yet')

  await setTimes(service, next, { signsFrom: 1 })
  const later = await service.logIn('joon')
  t.equal(kidOf(later), next)
  t.same(await kidsOf(service), [first, next])
  for (const person of [mina, joon, later]) t.equal((await person.get('/v1/me')).statusCode, 200)

  const rows = await rowsOf(service)
  t.ok(Number(rows[0]?.retiresAt) > Date.now() + 24 * 3_600_000, 'the old key verifies for longer than any token lives')
  t.equal(rows[1]?.retiresAt, null)
  await setTimes(service, first, { retiresAt: 1 })
  t.same(await kidsOf(service), [next])
  t.match((await mina.get('/v1/me')).json(), { status: 401, code: 'invalid_token' })
  t.equal((await later.get('/v1/me')).statusCode, 200)
})

t.test('a leaked key is retired at once, with every token that it signed', async (t) => {
  const service = await startService(t)
  const { keys } = service.app
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  for (const person of [mina, joon])
    t.equal((await person.get('/v1/me')).statusCode, 200, 'the token is verified and cached')
  const leaked = kidOf(mina)
  t.equal(await keys.retire('unknown'), false)
  t.equal((await mina.get('/v1/me')).statusCode, 200)

  t.equal(await keys.retire(leaked), true)
  for (const person of [mina, joon]) {
    const refused = await person.get('/v1/me')
    t.match(refused.json(), { status: 401, code: 'invalid_token' })
    t.equal(
      refused.headers['www-authenticate'],
      'Bearer realm="latchkey", error="invalid_token", error_description="This is not an access token of this service; refresh tokens go to /v1/refresh."',
    )
  }
  t.notOk((await kidsOf(service)).includes(leaked))
  const refreshed = await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  const again = { authorization: `Bearer ${refreshed.json().access_token}` }
  t.equal((await service.get('/v1/me', again)).json().username, 'mina', 'the sessions go on')
  t.not(kidOf(await service.logIn('joon')), leaked)
})

t.test('a writer to the database who has no secret can neither add a signing key nor change one', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { database, keys } = service.app
  const { signingKeys } = database.tables
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicJwk = JSON.stringify(publicKey.export({ format: 'jwk' }))
  const forged = (kid: string) =>
    new SignJWT(claimsOf(mina.token)).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(privateKey)

  const [own] = await rowsOf(service)
  if (own === undefined) throw new Error('There is no key')
  await database.db.update(signingKeys).set({ publicJwk })
  await database.db.insert(signingKeys).values([
    { ...own, kid: 'planted', position: 50, publicJwk },
    { ...own, kid: 'garbage', position: 51, publicJwk, sealedPrivateKey: 'AAAA' },
    { ...own, kid: 'empty', position: 52, publicJwk, sealedPrivateKey: '' },
  ])
  await keys.reload()
  for (const kid of [own.kid, 'planted', 'garbage', 'empty']) {
    const answer = await service.get('/v1/me', { authorization: `Bearer ${await forged(kid)}` })
    t.match(answer.json(), { status: 401, code: 'invalid_token' }, kid)
  }
  t.same(await kidsOf(service), [own.kid])
  t.notMatch((await service.get(JWKS)).payload, JSON.parse(publicJwk).x)
  t.equal((await mina.get('/v1/me')).statusCode, 200, 'the key of this installation is still used')
  t.equal(kidOf(await service.logIn('mina')), own.kid)
  t.equal((await service.get('/readyz')).statusCode, 200)
  t.match(keys.warning(), /are not used: planted, garbage, empty\./)

  await keys.retire(String(await keys.rotate()))
  t.match(
    await keys.list(),
    [{ kid: own.kid, retiresAt: null, opens: true }, {}, {}, {}],
    'a planted row is not used as the next key',
  )
  for (const kid of ['planted', 'garbage', 'empty']) t.equal(await keys.retire(kid), true)
  t.equal(keys.warning(), undefined)
})

t.test('the keys are encrypted again with the first secret, and the second secret is no longer needed', async (t) => {
  const [OLD, NEW] = ['r8sYbQ2nT6uWx1ZcV4mKp9LdE3fGh7Ja', 'M5vJq0HtX7yRa2DkS9wNe4BgU6iPo1Lc']
  const service = await startService(t, { SECRET_KEY: OLD })
  const mina = await service.signUp('mina')
  await service.app.keys.rotate()
  const { DATABASE_URL } = service.app.config
  const config = loadConfig({ DATABASE_URL, SECRET_KEY: `${NEW},${OLD}`, PUBLIC_URL: 'http://latchkey.test' })
  const operator = await Keys.open(service.app.database, await openSecret(config, service.app.database))
  t.same(await operator.reseal(), await kidsOf(service))
  await service.app.close()
  // A start with both secrets seals the data key again, with the new one.
  await (await startService(t, { DATABASE_URL, SECRET_KEY: `${NEW},${OLD}` })).app.close()
  const after = await startService(t, { DATABASE_URL, SECRET_KEY: NEW })
  t.equal((await after.get('/v1/me', { authorization: `Bearer ${mina.token}` })).statusCode, 200)
  t.same((await kidsOf(after)).length, 2)
  t.equal(after.app.keys.warning(), undefined)
})

t.test('other processes learn of a new key and of a retired key without a restart', async (t) => {
  const service = await startService(t)
  const app = await buildApp(service.app.config)
  t.teardown(() => app.close())
  await app.ready()
  const other = new Service(app, service.contract)
  const mina = await service.signUp('mina')
  const there = { authorization: `Bearer ${mina.token}` }
  t.equal((await other.get('/v1/me', there)).statusCode, 200)

  const next = await service.app.keys.rotate()
  await until(async () => (await kidsOf(other)).includes(String(next)))
  t.equal((await other.get('/v1/me', there)).statusCode, 200)
  await service.app.keys.retire(kidOf(mina))
  await until(async () => (await other.get('/v1/me', there)).statusCode === 401)
  t.same(await kidsOf(other), await kidsOf(service))
  t.equal(kidOf(await other.logIn('mina')), kidOf(await service.logIn('mina')))
})

t.test('the OAuth metadata names every endpoint', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'https://login.example.com/' })
  const response = await service.get(METADATA)
  t.match(response.headers, { 'content-type': /^application\/json/, 'cache-control': /^public, max-age=\d+$/ })
  t.match(response.json(), {
    issuer: 'https://login.example.com',
    token_endpoint: 'https://login.example.com/v1/token',
    jwks_uri: 'https://login.example.com/.well-known/jwks.json',
    service_documentation: 'https://login.example.com/docs',
    introspection_endpoint: 'https://login.example.com/v1/introspect',
    revocation_endpoint: 'https://login.example.com/v1/revoke',
    authorization_endpoint: 'https://login.example.com/authorize',
    authorization_response_iss_parameter_supported: true,
    grant_types_supported: ['password', 'client_credentials', 'refresh_token', 'authorization_code'],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
  })
  const reduced = await startService(t, { PASSWORD_GRANT: 'off', DOCS: 'off' })
  const metadata = (await reduced.get(METADATA)).json()
  t.same(metadata.grant_types_supported, ['client_credentials', 'refresh_token'])
  t.notOk('service_documentation' in metadata)
})

function kidOf(person: Person): string {
  return String(decodeProtectedHeader(person.token).kid)
}

async function kidsOf(service: Service): Promise<string[]> {
  return (await service.get(JWKS)).json().keys.map(({ kid }: { kid: string }) => kid)
}

function rowsOf({ app: { database } }: Service) {
  const { signingKeys } = database.tables
  return database.db.select().from(signingKeys).orderBy(signingKeys.position)
}

/** Changes the times of a key, and reloads the keys as the service would. */
async function setTimes(service: Service, kid: string | undefined, times: { signsFrom?: number; retiresAt?: number }) {
  const { database, keys } = service.app
  const { signingKeys } = database.tables
  await database.db
    .update(signingKeys)
    .set(times)
    .where(eq(signingKeys.kid, String(kid)))
  await keys.reload()
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('It did not happen in time')
    await sleep(25)
  }
}
