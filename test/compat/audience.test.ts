// On SQLite alone: the audience of tokens does not depend on the database.

import { createLocalJWKSet, decodeProtectedHeader, type JWTVerifyOptions, jwtVerify } from 'jose'
import t from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { PASSWORD, type Service } from '../helper.js'
import { openForge, token } from '../support/forge.js'
import { ALIVE, sessionStatus, signUpAdmin } from '../support/people.js'
import { bearer } from '../support/replica.js'
import { type Compat, type Sent, startCompat } from './wire.js'

// The tutorials' tokens live for up to a day, and other services notice a revocation only when a token expires.
// Therefore only Latchkey accepts these tokens.

const ISSUER = 'http://latchkey.test'
/** The longest lifetime of a tutorial's token. */
const A_DAY_S = 86_400
const credentials = { username: 'boss', password: PASSWORD }
const ENDPOINTS: [line: string, sent: Sent][] = [
  ['POST /login/', { json: credentials }],
  ['POST /login', { json: credentials }],
  ['POST /login', { json: { email: 'boss@example.com', password: PASSWORD } }],
  ['POST /api/user/login', { form: credentials }],
  ['POST /token', { form: credentials }],
]
const FOR_ADMINS = ['/v1/users', '/v1/events']

t.test('an RFC 9068 verifier rejects the tokens of every tutorial, and accepts those of v1', async (t) => {
  for (const AUDIENCE of ['', 'https://api.example.com']) {
    const { compat, boss } = await start({ AUDIENCE })
    const keys = createLocalJWKSet((await compat.service.get('/.well-known/jwks.json')).json())
    const audience = AUDIENCE || ISSUER
    const checks = { issuer: ISSUER, audience, typ: 'at+jwt' }
    t.match((await jwtVerify(boss.token, keys, checks)).payload, { role: 'admin' })
    for (const text of await tokensOf(compat)) {
      const flawOf = (options: JWTVerifyOptions) =>
        jwtVerify(text, keys, options).then(
          () => undefined,
          (error) => error.claim,
        )
      t.ok(await flawOf(checks))
      t.equal(await flawOf({ issuer: ISSUER, audience }), 'aud', 'the audience alone is reason to reject')
      t.equal(await flawOf({ issuer: ISSUER, typ: 'at+jwt' }), 'typ', 'the type alone is reason to reject')
      const { payload } = await jwtVerify(text, keys, { issuer: ISSUER })
      t.equal(payload.aud, `${ISSUER}/compat`)
      t.notOk('role' in payload)
      t.equal(decodeProtectedHeader(text).typ, 'compat+jwt')
    }
  }

  async function start(settings: { AUDIENCE: string }) {
    const compat = await startCompat(t, settings)
    return { compat, boss: await withAddress(compat.service) }
  }
})

t.test('a tutorial token gives an admin the access of a normal user, and no admin operation', async (t) => {
  const compat = await startCompat(t, { METRICS: 'on' })
  const boss = await withAddress(compat.service)
  const mina = await compat.service.signUp('mina')
  for (const text of await tokensOf(compat)) {
    t.equal((await compat.service.get('/v1/me', bearer(text))).json().username, 'boss')
    t.equal((await compat.service.get('/v1/verify', bearer(text))).headers['x-latchkey-role'], 'user')
    t.equal((await compat.send('GET /tutorials', { headers: bearer(text) })).status, 200)
    for (const url of FOR_ADMINS) {
      t.match((await compat.service.get(url, bearer(text))).json(), { status: 403, code: 'insufficient_scope' }, url)
    }
    const metrics = await compat.service.app.inject({ url: '/metrics', headers: bearer(text) })
    t.equal(metrics.statusCode, 403)
    const remove = { method: 'DELETE', url: `/v1/users/${mina.id}`, headers: bearer(text) } as const
    t.equal((await compat.service.request(remove)).statusCode, 403)
  }
  t.equal(await sessionStatus(mina), ALIVE)
  for (const url of FOR_ADMINS) t.equal((await boss.get(url)).statusCode, 200, 'the v1 token has admin access')
})

t.test('a token that mixes the type, audience and role of tutorial and v1 tokens is rejected', async (t) => {
  const compat = await startCompat(t)
  const { service } = compat
  const forge = await openForge(service, await withAddress(service))
  const now = Math.floor(Date.now() / 1_000)
  const aud = `${ISSUER}/compat`
  const typ = 'compat+jwt'
  t.equal(await statusOf(service, token(forge, { aud, role: undefined }, { typ })), 200, 'a correct tutorial token')
  const wrong: Record<string, string> = {
    "v1's type": token(forge, { aud, role: undefined }),
    'a role': token(forge, { aud }, { typ }),
    "v1's audience": token(forge, { role: undefined }, { typ }),
    "v1's audience and role": token(forge, {}, { typ }),
    'both audiences': token(forge, { aud: [aud, ISSUER], role: undefined }, { typ }),
    'v1 without a role': token(forge, { role: undefined }),
    'no type': token(forge, { aud, role: undefined }, { typ: undefined }),
  }
  for (const [name, text] of Object.entries(wrong)) t.equal(await statusOf(service, text), 401, name)

  const ofOlderVersion = token(forge, { iat: now, exp: now + A_DAY_S })
  t.equal(await statusOf(service, ofOlderVersion), 200, 'a token of an older version is still accepted')
  for (const url of FOR_ADMINS)
    t.equal((await service.get(url, bearer(ofOlderVersion))).statusCode, 403, 'but not as an admin')
})

t.test('a token of an older version, with the issuer as audience, is valid until it expires', async (t) => {
  const compat = await startCompat(t, { AUDIENCE: 'https://api.example.com' })
  const forge = await openForge(compat.service, await withAddress(compat.service))
  const ofOlderVersion = token(forge, { aud: ISSUER })
  t.equal(await statusOf(compat.service, ofOlderVersion), 200)
  const madeAt = (seconds: number) => token(forge, { aud: ISSUER, iat: seconds, exp: seconds + A_DAY_S })
  const now = Math.floor(Date.now() / 1_000)
  t.equal(await statusOf(compat.service, madeAt(now - A_DAY_S + 60)), 200, 'a minute before it expires')
  t.equal(await statusOf(compat.service, madeAt(now - A_DAY_S - 60)), 401, 'a minute after it has expired')
  for (const url of FOR_ADMINS) t.equal((await compat.service.get(url, bearer(ofOlderVersion))).statusCode, 403)
})

t.test("AUDIENCE cannot be the audience of the tutorials' tokens", async (t) => {
  const message = /AUDIENCE must not be https:\/\/login\.example\.com\/compat/
  const settings = { PUBLIC_URL: 'https://login.example.com', AUDIENCE: 'https://login.example.com/compat' }
  t.throws(() => loadConfig(settings), { message })
})

/** An admin who can log in at every endpoint, by name or by address. */
async function withAddress(service: Service) {
  const boss = await signUpAdmin(service, 'boss')
  await boss.patch('/v1/me', { email: 'boss@example.com', current_password: PASSWORD })
  return boss
}

async function tokensOf({ send }: Compat): Promise<string[]> {
  const tokens: string[] = []
  for (const [line, sent] of ENDPOINTS) tokens.push(JSON.parse((await send(line, sent)).text).access_token)
  return tokens
}

async function statusOf(service: Service, text: string): Promise<number> {
  return (await service.get('/v1/me', bearer(text))).statusCode
}
