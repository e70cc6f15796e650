import { readFile } from 'node:fs/promises'
import t from 'tap'
import { makeRefreshToken } from '../../src/tokens/refresh-tokens.js'
import { claimsOf, type Person, type Service, startService } from '../helper.js'
import { SQLITE_ONLY } from '../support/databases.js'

const PREFIX = 'lkr_'

// After a restore or a failover, the database may be older than tokens that were issued. Such a token is no sign of
// theft.
t.test('a refresh token of a future generation is rejected, and ends no session', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const keys = service.app.secret.derive('refresh-token')
  const sessionId = sessionOf(mina)
  t.equal(makeRefreshToken({ sessionId, generation: 0 }, keys), mina.login.refresh_token)
  for (const generation of [1, 2, 1_000, 0xffffffff]) {
    const early = await refresh(service, makeRefreshToken({ sessionId, generation }, keys))
    t.match(early.json(), { status: 400, code: 'invalid_grant' })
    t.equal((await mina.get('/v1/me')).statusCode, 200)
  }
  const { db, tables } = service.app.database
  t.match(await db.select().from(tables.sessions), [{ id: sessionId, revokedAt: null }])
  t.equal((await refresh(service, mina.login.refresh_token)).statusCode, 200)
})

t.test('a genuine refresh token of a session that does not exist is rejected', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { db, tables } = service.app.database
  await db.delete(tables.sessions)
  t.match((await refresh(service, mina.login.refresh_token)).json(), { status: 400, code: 'invalid_grant' })
})

t.test('an altered or forged refresh token is rejected, and ends no session', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const token = mina.login.refresh_token
  const bytes = Buffer.from(token.slice(PREFIX.length), 'base64url')
  const flipped = Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const copy = Buffer.from(bytes)
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    return encode(copy)
  })
  const signatureOfJoon = Buffer.from(joon.login.refresh_token.slice(PREFIX.length), 'base64url').subarray(20)
  const forged = [
    makeRefreshToken({ sessionId: sessionOf(mina), generation: 0 }, [Buffer.alloc(32)]),
    makeRefreshToken({ sessionId: sessionOf(mina), generation: 0 }, service.app.secret.derive('signing-key-seal')),
    encode(Buffer.concat([bytes.subarray(0, 20), signatureOfJoon])),
    encode(bytes.subarray(0, 20)),
    encode(bytes.subarray(0, 51)),
    encode(Buffer.concat([bytes, Buffer.alloc(1)])),
    encode(Buffer.alloc(52)),
    token.slice(0, -1),
    token.slice(PREFIX.length),
    token.toUpperCase(),
    `${token}AAAA`,
    ` ${token}`,
    `x${token}`,
    'lkr_',
    'garbage',
    'null',
    '\0',
    '\ud800',
    '가'.repeat(70),
    'x'.repeat(256),
    mina.token,
    joon.token,
  ]
  for (const wrong of [...flipped, ...forged]) {
    const response = await refresh(service, wrong)
    if (response.json().code !== 'invalid_grant' || response.statusCode !== 400) {
      t.fail(`${response.statusCode} ${response.payload}`, { wrong })
    }
  }
  t.equal(flipped.length, 416)
  const { db, tables } = service.app.database
  t.match(await db.select().from(tables.sessions), [{ generation: 0, revokedAt: null }, { generation: 0 }])
  t.equal((await mina.get('/v1/me')).statusCode, 200)
  t.equal((await refresh(service, token)).statusCode, 200)
})

t.test('a body that does not match the schema is rejected', async (t) => {
  const service = await startService(t)
  const { refresh_token } = (await service.signUp('mina')).login
  for (const body of [{}, { refresh_token: '' }, { refresh_token: null }, { refresh_token: [refresh_token] }, []]) {
    t.match((await service.post('/v1/refresh', body)).json(), { status: 400, code: 'validation_failed' })
  }
  const more = await service.post('/v1/refresh', { refresh_token, role: 'admin' })
  t.match(more.json(), { status: 400, code: 'validation_failed' })
})

t.test('a refresh token is not accepted as an access token', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const response = await me(service, mina.login.refresh_token)
  t.match(response.json(), { status: 401, code: 'invalid_token' })
  t.match(response.headers['www-authenticate'], /error="invalid_token"/)
})

t.test('a copy of the database contains no token that logs anybody in', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const next = (await refresh(service, mina.login.refresh_token)).json().refresh_token
  const { db, tables } = service.app.database
  const rows = await Promise.all(Object.values(tables).map((table) => db.select().from(table as typeof tables.users)))
  const dump = JSON.stringify(rows)
  const file = service.app.config.DATABASE_URL.slice('sqlite:'.length)
  // The files of a PostgreSQL server cannot be read here.
  const files = SQLITE_ONLY ? Buffer.from(dump) : Buffer.concat([await readFile(file), await readFile(`${file}-wal`)])
  t.ok(dump.includes(sessionOf(mina)) && files.includes(sessionOf(mina)), 'the copy contains the session')
  for (const token of [mina.login.refresh_token, next]) {
    const mac = Buffer.from(token.slice(PREFIX.length), 'base64url').subarray(20)
    const forms = [token, token.slice(-40), mac.toString('hex'), mac.toString('base64'), mac.toString('base64url')]
    for (const form of forms) t.notOk(dump.includes(form) || files.includes(form))
    t.notOk(files.includes(mac))
  }
  t.notOk(files.includes(mina.token.split('.')[2] ?? mina.token), 'no access token is stored')
})

function refresh(service: Service, refresh_token: string) {
  return service.post('/v1/refresh', { refresh_token })
}

function me(service: Service, token: string) {
  return service.get('/v1/me', { authorization: `Bearer ${token}` })
}

function sessionOf(person: Person): string {
  return String(claimsOf(person.token).sid)
}

function encode(bytes: Buffer): string {
  return PREFIX + bytes.toString('base64url')
}
