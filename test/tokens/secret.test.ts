// On SQLite alone: the secret file is next to the SQLite file.

import { chmod, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { DatabaseError } from '../../src/database/database.js'
import { PASSWORD, type Service, startService, temporaryFolder } from '../helper.js'
import { openForge } from '../support/forge.js'
import { fileOf, openFile } from '../support/sqlite.js'

const OLD = 'r8sYbQ2nT6uWx1ZcV4mKp9LdE3fGh7Ja'
const NEW = 'M5vJq0HtX7yRa2DkS9wNe4BgU6iPo1Lc'

t.test(
  'the database contains nothing that could log anybody in: no private key, secret, token or password',
  async (t) => {
    const service = await startService(t)
    const mina = await service.signUp('mina')
    const forge = await openForge(service, mina)
    const secret = (await readFile(`${fileOf(service)}.secret`, 'utf8')).trim()
    const pem = forge.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const absent = {
      'the key as PEM': pem.split('\n')[1] ?? '',
      'any key as PEM': 'PRIVATE KEY',
      'the key as JWK': String(forge.privateKey.export({ format: 'jwk' }).d),
      'any key as JWK': '"d":',
      'the key as DER': forge.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('latin1'),
      'the secret': secret,
      'the bytes of the secret': Buffer.from(secret, 'base64url').toString('latin1'),
      'the access token': mina.token,
      'the end of the refresh token': mina.login.refresh_token.slice(-40),
      'the password': PASSWORD,
    }
    const dump = await dumpOf(service)
    t.ok(dump.includes(forge.kid) && dump.includes('mina'), 'the dump is of the database')
    for (const [name, text] of Object.entries(absent)) {
      t.ok(text.length >= 4, name)
      t.notOk(dump.includes(text), name)
    }
  },
)

t.test('a database with keys that another secret sealed stops the start, and is unchanged', async (t) => {
  const service = await startService(t, { SECRET_KEY: OLD })
  const mina = await service.signUp('mina')
  await service.app.close()
  const before = await rowsOf(t, service)
  const error = await refusalOf(service, NEW)
  t.same(await rowsOf(t, service), before)
  t.type(error, DatabaseError)
  t.match(error.message, /keys in the database cannot be decrypted with this SECRET_KEY.*"new,old"/)
  t.notMatch(error.message, NEW)
  const again = await restart(t, service, OLD)
  t.equal((await again.get('/v1/me', bearer(mina.token))).statusCode, 200)
})

t.test('listing the new and the old secret replaces the secret; tokens stay valid while both are listed', async (t) => {
  const service = await startService(t, { SECRET_KEY: OLD })
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await service.app.close()

  const both = await restart(t, service, `${NEW},${OLD}`)
  t.equal((await both.get('/v1/me', bearer(mina.token))).statusCode, 200)
  const refreshed = await both.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  t.equal(refreshed.statusCode, 200)
  t.same(await both.app.keys.reseal(), [], 'the start has encrypted the keys again')
  t.equal(await both.app.dataKey.reseal(), false)
  await both.app.close()

  const alone = await restart(t, service, NEW)
  t.equal((await alone.get('/v1/me', bearer(mina.token))).statusCode, 200)
  t.equal((await alone.post('/v1/refresh', { refresh_token: refreshed.json().refresh_token })).statusCode, 200)
  const late = await alone.post('/v1/refresh', { refresh_token: joon.login.refresh_token })
  t.match(late.json(), { status: 400, code: 'invalid_grant' }, 'made with the old secret, which is gone')
  t.equal((await alone.logIn('joon')).id, joon.id)
})

t.test('without SECRET_KEY a secret is created beside the database, for its owner only', async (t) => {
  const [service, other] = [await startService(t), await startService(t)]
  const file = `${fileOf(service)}.secret`
  t.equal((await stat(file)).mode & 0o777, 0o600)
  const secret = (await readFile(file, 'utf8')).trim()
  t.ok(Buffer.from(secret, 'base64url').length >= 32)
  t.not(secret, (await readFile(`${fileOf(other)}.secret`, 'utf8')).trim())
  const mina = await service.signUp('mina')
  await service.app.close()
  const again = await restart(t, service)
  t.equal((await again.post('/v1/refresh', { refresh_token: mina.login.refresh_token })).statusCode, 200)
  t.equal((await readFile(file, 'utf8')).trim(), secret, 'the secret is created once')
})

t.test('a lost secret file stops the start: a new secret would lock the keys for good', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await service.app.close()
  const file = `${fileOf(service)}.secret`
  await rename(file, `${file}.lost`)
  const error = await refusalOf(service)
  t.type(error, DatabaseError)
  t.match(error.message, /secret file .* is missing.*Restore the file or set SECRET_KEY/)
  t.match(error.message, file)
  await t.rejects(stat(file), { code: 'ENOENT' })
  await rename(`${file}.lost`, file)
  const again = await restart(t, service)
  t.equal((await again.get('/v1/me', bearer(mina.token))).statusCode, 200)
})

t.test('a secret file that is empty, known to others or open to others stops the start with a reason', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await service.app.close()
  const file = `${fileOf(service)}.secret`
  const good = await readFile(file, 'utf8')
  const refused: [content: string, mode: number, reason: RegExp][] = [
    ['', 0o600, /it is empty/],
    ['\n', 0o600, /it is empty/],
    ['short\n', 0o600, /at least 32 bytes: 64 hex digits or 44 base64 characters/],
    ['super-secret-key\n', 0o600, /it is printed in a public tutorial/],
    ['change-me-to-something-long-and-random', 0o600, /it looks like a placeholder/],
    ['a'.repeat(64), 0o600, /it looks like a placeholder/],
    [good, 0o644, /mode 0644\): run chmod 600/],
    [good, 0o640, /mode 0640\): run chmod 600/],
    [good, 0o602, /mode 0602\): run chmod 600/],
  ]
  for (const [content, mode, reason] of refused) {
    await writeFile(file, content)
    await chmod(file, mode)
    const error = await refusalOf(service)
    t.type(error, DatabaseError)
    t.match(error.message, reason, JSON.stringify([content.slice(0, 12), mode.toString(8)]))
    t.match(error.message, file)
    t.notMatch(error.message, good.trim())
    t.equal(await readFile(file, 'utf8'), content, 'the file is unchanged')
  }
  await writeFile(file, good)
  await chmod(file, 0o600)
  const again = await restart(t, service)
  t.equal((await again.get('/v1/me', bearer(mina.token))).statusCode, 200)
})

t.test('an empty secret file is not used for a new database either', async (t) => {
  const folder = await temporaryFolder(t)
  const DATABASE_URL = `sqlite:${join(folder, 'new.db')}`
  await writeFile(join(folder, 'new.db.secret'), '', { mode: 0o600 })
  await t.rejects(buildApp(loadConfig({ DATABASE_URL, LOG_LEVEL: 'silent' })), { message: /new\.db\.secret.*is empty/ })
})

function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}

/** All bytes of the database files. */
async function dumpOf(service: Service): Promise<string> {
  const files = await Promise.all(['', '-wal'].map((end) => readFile(`${fileOf(service)}${end}`, 'latin1')))
  return files.join('')
}

/** All rows of all tables. */
async function rowsOf(t: Test, service: Service): Promise<Record<string, unknown[]>> {
  const file = await openFile(t, fileOf(service))
  const tables = file
    .prepare("select name from sqlite_schema where type = 'table' order by name")
    .pluck()
    .all() as string[]
  t.ok(tables.length > 10)
  return Object.fromEntries(tables.map((name) => [name, file.prepare(`select * from "${name}"`).all()]))
}

function restart(t: Test, { app }: Service, SECRET_KEY?: string): Promise<Service> {
  const { DATABASE_URL } = app.config
  return startService(t, { DATABASE_URL, ...(SECRET_KEY !== undefined && { SECRET_KEY }) })
}

/** The error of a second service on the same database. */
async function refusalOf({ app }: Service, SECRET_KEY?: string): Promise<Error> {
  const { DATABASE_URL } = app.config
  const config = loadConfig({ DATABASE_URL, LOG_LEVEL: 'silent', ...(SECRET_KEY !== undefined && { SECRET_KEY }) })
  return buildApp(config).then(
    () => new Error('It started'),
    (error: Error) => error,
  )
}
