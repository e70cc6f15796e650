import { hash as bcryptHash, compare as bcryptVerify } from 'bcrypt'
import t from 'tap'
import { countBy, PASSWORD, startService } from '../helper.js'
import { hashOf, setHash, tryPassword } from '../support/stored-hashes.js'

const OWN_FORMAT = /^\$bcrypt-sha256\$v=2,t=2b,r=4\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}$/
const SLOW_MS = 10_000

t.test('passwords are stored in the format of passlib, each with a salt of its own', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const hashes = [await hashOf(mina), await hashOf(joon)]
  for (const stored of hashes) t.match(stored, OWN_FORMAT)
  t.not(hashes[0], hashes[1])
  await service.logIn('mina')
  t.equal(await hashOf(mina), hashes[0], 'a log-in does not change a current hash')
})

t.test('a hash made by passlib verifies', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  // From the tests of passlib: passlib.hash.bcrypt_sha256, version 2.
  await setHash(mina, '$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS')
  await service.logIn('mina', 'password')
  t.match(await hashOf(mina), OWN_FORMAT, 'the log-in replaced the hash with one of the configured cost')
  await service.logIn('mina', 'password')
})

t.test('plain bcrypt of other systems verifies, and is upgraded at the first good log-in', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const hashOfJoon = await hashOf(joon)
  const plain = await bcryptHash(PASSWORD, 4)
  for (const prefix of ['$2b$', '$2a$', '$2y$']) {
    const foreign = prefix + plain.slice(4)
    await setHash(mina, foreign)
    t.equal((await tryPassword(mina, 'not her password')).statusCode, 401)
    t.equal(await hashOf(mina), foreign, 'a wrong password changes nothing')
    await service.logIn('mina')
    const upgraded = await hashOf(mina)
    t.match(upgraded, OWN_FORMAT, prefix)
    await service.logIn('mina')
    t.equal(await hashOf(mina), upgraded, 'upgraded once')
    t.equal((await tryPassword(mina, 'not her password')).statusCode, 401)
  }
  t.equal(await hashOf(joon), hashOfJoon)
})

t.test(
  'plain bcrypt reads 72 bytes of a password of any length, and accepts a salt whose spare bits are set, as elsewhere',
  async (t) => {
    const service = await startService(t)
    const mina = await service.signUp('mina')
    // 600 bytes: old 2a implementations stored the length of a password in a single byte.
    const long = '열쇠'.repeat(100)
    const hash = await bcryptHash(long, 4)
    for (const prefix of ['$2a$', '$2b$', '$2y$']) {
      await setHash(mina, prefix + hash.slice(4))
      t.equal((await tryPassword(mina, `x${long.slice(1)}`)).statusCode, 401)
      t.equal((await tryPassword(mina, long)).statusCode, 200, prefix)
    }
    // The last character of a salt has four unused bits, which some systems did not clear.
    const spare: Record<string, string> = { '.': '/', O: 'P', e: 'f', u: 'v' }
    const last = hash.charAt(28)
    await setHash(mina, hash.slice(0, 28) + spare[last] + hash.slice(29))
    t.equal((await tryPassword(mina, `x${long.slice(1)}`)).statusCode, 401)
    t.equal((await tryPassword(mina, long)).statusCode, 200)
  },
)

t.test('a log-in replaces a hash of another cost', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await setHash(mina, await bcryptHash(PASSWORD, 6))
  await service.logIn('mina')
  t.match(await hashOf(mina), OWN_FORMAT)
})

t.test('a password with composed letters verifies against a foreign hash of its NFC or NFD form', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const password = 'les étés à la mer'
  for (const stored of ['NFC', 'NFD']) {
    await setHash(mina, await bcryptHash(password.normalize(stored), 4))
    await service.logIn('mina', password.normalize(stored))
    await service.logIn('mina', password.normalize('NFC'))
    await service.logIn('mina', password.normalize('NFD'))
  }
})

t.test('twenty simultaneous log-ins of a user with a foreign hash all succeed, and leave one hash', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const mina = await service.signUp('mina')
  const foreign = await bcryptHash(PASSWORD, 4)
  for (let round = 0; round < 3; round += 1) {
    await setHash(mina, foreign)
    // A second upgrade would change the hash after the password was verified, and the session would be rejected.
    const answers = await Promise.all(Array.from({ length: 20 }, () => tryPassword(mina, PASSWORD)))
    t.strictSame(
      countBy(answers, ({ statusCode }) => statusCode),
      { 200: 20 },
    )
    t.match(await hashOf(mina), OWN_FORMAT)
  }
  await service.logIn('mina')
  t.equal((await tryPassword(mina, 'not her password')).statusCode, 401)
})

t.test('the upgrade of a hash does not undo a change of the password made meanwhile', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const mina = await service.signUp('mina')
  const theirs = await bcryptHash('a password of long ago', 4)
  const changed = await hashOf(mina)
  for (let round = 0; round < 10; round += 1) {
    await setHash(mina, theirs)
    const login = tryPassword(mina, 'a password of long ago')
    await new Promise((resolve) => setTimeout(resolve, round % 5))
    await setHash(mina, changed)
    const { statusCode } = await login
    t.ok([200, 401].includes(statusCode))
    t.equal(await hashOf(mina), changed)
  }
  await service.logIn('mina')
})

t.test('a stored hash that is malformed or too expensive to compute fails the log-in at once', async (t) => {
  const service = await startService(t, { TRUST_PROXY: '127.0.0.1' })
  const mina = await service.signUp('mina')
  const own = await hashOf(mina)
  const plain = await bcryptHash(PASSWORD, 4)
  const withCost = (cost: string) => plain.replace('$04$', `$${cost}$`)
  t.ok(await bcryptVerify(PASSWORD, plain))
  const stored = [
    '',
    ' ',
    'plaintext',
    PASSWORD,
    withCost('31'),
    withCost('16'),
    withCost('03'),
    withCost('00'),
    withCost('99'),
    withCost('4'),
    plain.replace('$2b$', '$2x$'),
    plain.replace('$2b$', '$2$'),
    plain.slice(0, -1),
    `${plain}\n`,
    ` ${plain}`,
    own.replace('r=4$', 'r=31$'),
    own.replace('r=4$', 'r=16$'),
    own.replace('r=4$', 'r=3$'),
    own.replace('r=4$', 'r=99$'),
    own.replace('v=2', 'v=1'),
    own.slice(0, -1),
    `${own}x`,
    '$bcrypt-sha256$',
    '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    '$argon2id$v=19$m=4294967295,t=4294967295,p=1$c29tZXNhbHQ$AAAA',
    'pbkdf2:sha256:999999999999$salt$00',
    'scrypt:1073741824:8:1$salt$00',
    'x'.repeat(10_000),
  ]
  const startedAt = performance.now()
  for (const text of stored) {
    await setHash(mina, text)
    for (const password of [PASSWORD, 'plaintext']) {
      const response = await tryPassword(mina, password, { 'x-request-id': 'the-same-request' })
      t.match(response.json(), { status: 401, code: 'invalid_credentials' }, JSON.stringify(text.slice(0, 40)))
    }
    t.equal(await hashOf(mina), text)
    await service.app.database.db.delete(service.app.database.tables.throttle)
  }
  t.ok(performance.now() - startedAt < SLOW_MS)
  await setHash(mina, own)
  await service.logIn('mina')
})
