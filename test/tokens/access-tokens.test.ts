import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { claimsOf, type Service, startService } from '../helper.js'
import { type Claims, encode, es256, type Forge, hmac, openForge, type Seal, sealed, token } from '../support/forge.js'

const CHALLENGE = 'Bearer realm="latchkey", error="invalid_token", error_description='
const FOREIGN = 'This is not an access token of this service; refresh tokens go to /v1/refresh.'
const EXPIRED = 'The access token has expired.'
/** A verification that hangs never returns. Normally a token is rejected within a millisecond. */
const QUICK_MS = 2_000

t.test('a token with any one defect is rejected quickly, and a good token still works afterwards', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const forge = await openForge(service, mina)
  const good = { 'as it was given out': forge.token, 'made here': token(forge, {}), ...goodTokens(forge) }
  for (const [name, text] of Object.entries(good))
    t.equal((await verify(service, text)).statusCode, 204, `good: ${name}`)

  const bad = { ...badHeaders(forge), ...badSignatures(forge), ...badClaims(forge), ...badShapes(forge) }
  t.ok(Object.keys(bad).length > 80)
  for (const [name, text] of Object.entries(bad)) {
    const response = await verify(service, text)
    t.equal(response.statusCode, 401, name)
    t.match(response.payload, '"code":"invalid_token"', name)
    // The response does not say which check failed, except to the holder of an authentic token that has expired.
    const [, exp] = /^claims exp: (-?\d+)$/.exec(name) ?? []
    const detail = Number(exp) * 1_000 < Date.now() ? EXPIRED : FOREIGN
    t.equal(response.json().detail, detail, name)
    t.equal(response.headers['www-authenticate'], `${CHALLENGE}"${detail}"`, name)
    t.equal(response.headers['x-latchkey-subject'], undefined, name)
  }
  t.equal((await mina.get('/v1/me')).statusCode, 200, 'the good token still works')
})

t.test('the URL of a key in a token is never fetched', async (t) => {
  const service = await startService(t)
  const forge = await openForge(service, await service.signUp('mina'))
  let visits = 0
  const listener = createServer((socket) => {
    visits += 1
    socket.destroy()
  })
  t.teardown(() => listener.close())
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const own = { jwk: publicKey.export({ format: 'jwk' }), seal: es256(privateKey) }
  for (const kid of [forge.kid, 'theirs', `http://127.0.0.1:${port}/kid`]) {
    for (const extra of [
      { jku: `http://127.0.0.1:${port}/jwks.json` },
      { x5u: `http://127.0.0.1:${port}/chain.pem` },
      { jwk: own.jwk },
      { x5c: [publicKey.export({ format: 'der', type: 'spki' }).toString('base64')] },
    ]) {
      const text = token({ ...forge, seal: own.seal }, {}, { kid, ...extra })
      t.match((await verify(service, text)).json(), { code: 'invalid_token' }, `${kid} ${Object.keys(extra)}`)
    }
  }
  await sleep(50)
  t.equal(visits, 0)
})

t.test('other services verify a token offline, with the public keys alone', async (t) => {
  const service = await startService(t, { AUDIENCE: 'https://api.example.com' })
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const keys = createLocalJWKSet((await service.get('/.well-known/jwks.json')).json())
  const expected = { issuer: 'http://latchkey.test', audience: 'https://api.example.com', typ: 'at+jwt' }
  for (const person of [mina, joon]) {
    const { payload, protectedHeader } = await jwtVerify(person.token, keys, expected)
    t.match(payload, { sub: String(person.id), role: 'user', sid: /^[\w-]{36}$/, jti: /^[\w-]{36}$/ })
    t.equal(Number(payload.exp) - Number(payload.iat), 600)
    t.same(Object.keys(protectedHeader).sort(), ['alg', 'kid', 'typ'])
    t.equal(protectedHeader.alg, 'ES256')
    t.notMatch(JSON.stringify(payload), /mina|joon|password/i)
  }
  await t.rejects(jwtVerify(mina.token, keys, { ...expected, audience: 'https://elsewhere.example.com' }))
  const [head, , signature] = mina.token.split('.')
  await t.rejects(jwtVerify([head, joon.token.split('.')[1], signature].join('.'), keys, expected))
})

t.test('a token that was accepted a moment ago is rejected once it has expired', async (t) => {
  const service = await startService(t, { ACCESS_TOKEN_TTL: '2s' })
  const mina = await service.signUp('mina')
  t.equal((await mina.get('/v1/verify')).statusCode, 204)
  const expiresAt = Number(claimsOf(mina.token).exp) * 1_000
  await sleep(expiresAt - Date.now() + 20)
  t.match((await mina.get('/v1/verify')).json(), { code: 'invalid_token' })
})

t.test('a token in another spelling is rejected, too, once its session has ended', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  // The last character of a signature has four unused bits.
  const respelled = mina.token.slice(0, -1) + nextLetter(mina.token.slice(-1))
  const headers = [`Bearer ${mina.token}`, `bearer ${mina.token}`, `Bearer ${respelled}`]
  const statuses = async () =>
    Promise.all(headers.map(async (authorization) => (await service.get('/v1/verify', { authorization })).statusCode))
  t.same((await statuses()).slice(0, 2), [204, 204])
  await mina.post('/v1/logout')
  t.same(await statuses(), [401, 401, 401])
  t.equal((await joon.get('/v1/verify')).statusCode, 204)
})

/** Tokens that the forge signs and the service accepts: a forged token is only rejected for its defect. */
function goodTokens(forge: Forge): Record<string, string> {
  const soon = Math.floor(Date.now() / 1_000) + 20
  return {
    'issued by a clock that runs ahead a little': token(forge, { iat: soon }),
    'with a claim of no interest': token(forge, { groups: ['a'] }),
  }
}

function badHeaders(forge: Forge): Record<string, string> {
  const kids = ['unknown', '', 'constructor', '__proto__', 'toString', '../../dev/null', "' OR 1=1--", 0, {}, [], null]
  const headers: Record<string, unknown>[] = [
    ...kids.map((kid) => ({ kid })),
    { kid: undefined },
    { kid: [forge.kid] },
    ...['JWT', 'refresh', '', 1, null, undefined].map((typ) => ({ typ })),
    ...[['exp'], ['b64'], ['x-unknown'], [], 'exp', {}, null].map((crit) => ({ crit, b64: false, 'x-unknown': 1 })),
    ...['none', 'None', 'ES384', 'ES512', 'RS256', 'HS256', 'es256', 256, null, undefined].map((alg) => ({ alg })),
  ]
  return Object.fromEntries(
    headers.map((header) => {
      const [[name, value] = []] = Object.entries(header)
      return [`header ${name}: ${JSON.stringify(value)}`, token(forge, {}, header)]
    }),
  )
}

function badSignatures(forge: Forge): Record<string, string> {
  const strangers = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const signed = (alg: string, seal: Seal) => token({ ...forge, seal }, {}, { alg })
  const [head, body, signature = ''] = forge.token.split('.')
  const ending = (text: string) => `${head}.${body}.${text}`
  const bytes = Buffer.from(signature, 'base64url')
  const flipped = Buffer.from(bytes)
  flipped.writeUInt8(flipped.readUInt8(10) ^ 1, 10)
  const der = sign('sha256', Buffer.from(`${head}.${body}`), strangers)
  return {
    'alg none without a signature': signed('none', () => Buffer.alloc(0)),
    'HS256 with the public key, PEM, as its secret': signed('HS256', hmac('sha256', forge.pem)),
    'HS256 with the PEM without its last line break': signed('HS256', hmac('sha256', forge.pem.trim())),
    'HS256 with the public key, JWK, as its secret': signed('HS256', hmac('sha256', forge.jwk)),
    'HS256 with an empty secret': signed('HS256', hmac('sha256', '')),
    'HS512 with the public key as its secret': signed('HS512', hmac('sha512', forge.pem)),
    'RS256 with a key of one’s own': signed('RS256', (input) => sign('sha256', Buffer.from(input), rsa)),
    'ES384 with a key of one’s own': signed('ES384', es256(p384, 'sha384')),
    'ES256 with a key of one’s own': signed('ES256', es256(strangers)),
    'ES256 in the form of DER': ending(der.toString('base64url')),
    'no signature': ending(''),
    'zeroes for a signature': ending(Buffer.alloc(64).toString('base64url')),
    'a signature with one bit flipped': ending(flipped.toString('base64url')),
    'a signature that is too short': ending(bytes.subarray(0, 63).toString('base64url')),
    'a signature that is too long': ending(Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64url')),
    'a signature with padding': ending(`${signature}==`),
    'a signature with + and /': ending(`+/${signature.slice(2)}`),
    'a payload changed afterwards': `${head}.${encode({ ...forge.claims, role: 'admin' })}.${signature}`,
    'a header changed afterwards': `${encode({ alg: 'ES256', typ: 'at+jwt', kid: forge.kid, x: 1 })}.${body}.${signature}`,
  }
}

function badClaims(forge: Forge): Record<string, string> {
  const now = Math.floor(Date.now() / 1_000)
  const values: Record<string, unknown[]> = {
    iss: ['http://elsewhere.test', 'http://latchkey.test/', '', 1, ['http://latchkey.test']],
    aud: ['http://elsewhere.test', '', 1, [], ['http://elsewhere.test', 'http://other.test']],
    exp: [now - 1, 0, -1, String(now + 600), null, {}, Number.MAX_SAFE_INTEGER],
    nbf: [now + 3_600, 'soon', null],
    iat: [now + 120, now + 6 * 3_600, String(now), -1, null],
    sub: [1, '0', 'abc', '-1', '01', ' 1', '1.0', '1e3', '', '9'.repeat(20), null, { id: 1 }],
    role: ['root', 'Admin', '', 1, ['admin'], null],
    sid: ['', 1, null, {}],
    jti: ['', 1, null],
  }
  const wrong = Object.entries(values).flatMap(([claim, of]) => of.map((value) => ({ [claim]: value })))
  const missing = ['iss', 'aud', 'sub', 'exp', 'iat', 'jti', 'sid', 'role', 'client_id'].map((claim) => ({
    [claim]: undefined,
  }))
  const endless = JSON.stringify({ ...forge.claims, exp: 'EXP' }).replace('"EXP"', '1e400')
  return {
    ...Object.fromEntries([...wrong, ...missing].map((claim) => [`claims ${describe(claim)}`, token(forge, claim)])),
    'claims exp: 1e400': sealed(forge, encode(endless)),
  }
}

function badShapes(forge: Forge): Record<string, string> {
  const { token: good, refreshToken } = forge
  const [head, body, signature] = good.split('.')
  const deep = '['.repeat(900) + ']'.repeat(900)
  const payloads = ['null', 'true', '1', '""', '"text"', '[]', '[1]', deep, '{', '{}', 'not JSON', '']
  return {
    ...Object.fromEntries(
      payloads.map((json) => [`payload ${json.slice(0, 12)}`, sealed(forge, Buffer.from(json).toString('base64url'))]),
    ),
    'two parts': `${head}.${body}`,
    'four parts': `${good}.${signature}`,
    'one part': 'garbage',
    'only dots': '..',
    'parts that are not base64url': '~.~.~',
    'an array for a header': `${encode('[]')}.${body}.${signature}`,
    'null for a header': `${encode('null')}.${body}.${signature}`,
    'a refresh token': refreshToken,
  }
}

function describe(claim: Claims): string {
  return Object.entries(claim)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join()
}

/** The next letter, which differs in the lowest bit only. */
function nextLetter(letter: string): string {
  return letter === 'w' ? 'x' : String.fromCharCode(letter.charCodeAt(0) + 1)
}

function verify(service: Service, text: string) {
  const tooLate = sleep(QUICK_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer')))
  return Promise.race([service.get('/v1/verify', { authorization: `Bearer ${text}` }), tooLate])
}
