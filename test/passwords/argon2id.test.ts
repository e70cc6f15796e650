// On SQLite alone: a format of hashes; passwords.test.ts upgrades hashes in both databases.
// In a process of its own: it measures the CPU time of its process.

import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { hashSync as argon2HashSync } from '@node-rs/argon2'
import t from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { hashPassword, verifyPassword } from '../../src/passwords/hashes.js'
import { Passwords } from '../../src/passwords/passwords.js'
import { StoredCosts } from '../../src/passwords/stored-costs.js'
import { PASSWORD, startService } from '../helper.js'
import { hashOf, setHash, tryPassword } from '../support/stored-hashes.js'

/** The cheapest argon2id that the settings allow. */
const ARGON2ID = { PASSWORD_HASH: 'argon2id', ARGON2_MEMORY: '7MiB', ARGON2_PASSES: '5' }
const PARAMETERS = { name: 'argon2id', memory: 7_168, passes: 5 } as const
const BCRYPT = { name: 'bcrypt', cost: 4 } as const
const OWN_ARGON2ID = /^\$argon2id\$v=19\$m=7168,t=5,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/
const OWN_BCRYPT = /^\$bcrypt-sha256\$v=2,t=2b,r=4\$/
const WRONG = 'not the password'

t.setTimeout(240_000)

t.test('an argon2id hash is stored as a PHC string, each with a salt of its own', async (t) => {
  const service = await startService(t, ARGON2ID)
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const hashes = [await hashOf(mina), await hashOf(joon)]
  for (const stored of hashes) t.match(stored, OWN_ARGON2ID)
  t.not(hashes[0], hashes[1])
  await service.logIn('mina')
  t.equal((await tryPassword(mina, WRONG)).statusCode, 401)
  t.equal(await hashOf(mina), hashes[0], 'a log-in does not change a current hash')
})

t.test('with PASSWORD_HASH=argon2id alone, the parameters are those that OWASP recommends', async (t) => {
  const passwords = new Passwords(loadConfig({ PASSWORD_HASH: 'argon2id' }))
  t.match(await passwords.hash(PASSWORD), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
})

t.test('a log-in upgrades a stored hash once, from bcrypt to argon2id and from argon2id to bcrypt', async (t) => {
  for (const [settings, own, other] of [
    [ARGON2ID, OWN_ARGON2ID, hashPassword(PASSWORD, BCRYPT)],
    [{}, OWN_BCRYPT, hashPassword(PASSWORD, PARAMETERS)],
  ] as const) {
    const service = await startService(t, settings)
    const mina = await service.signUp('mina')
    await setHash(mina, other)
    t.equal((await tryPassword(mina, WRONG)).statusCode, 401)
    t.equal(await hashOf(mina), other, 'a wrong password changes nothing')
    await service.logIn('mina')
    const upgraded = await hashOf(mina)
    t.match(upgraded, own)
    await service.logIn('mina')
    t.equal(await hashOf(mina), upgraded)
    t.equal((await tryPassword(mina, WRONG)).statusCode, 401)
  }
})

t.test('an argon2 hash with other parameters verifies, and the log-in replaces it', async (t) => {
  const service = await startService(t, ARGON2ID)
  const mina = await service.signUp('mina')
  // The first three are from the tests of the reference implementation; the fourth is from argon2-cffi with its
  // defaults.
  const others = [
    '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA',
    '$argon2id$v=19$m=65536,t=3,p=4$ZHVtbXktc2FsdC1vZi0xNg$LQ/1FaJcLyE0Bi86nUkfk89zzFmepWQsnzsEFFsP8mE',
  ]
  for (const stored of others) {
    await setHash(mina, stored)
    t.equal((await tryPassword(mina, WRONG)).statusCode, 401)
    t.equal((await tryPassword(mina, 'password')).statusCode, 200, stored)
    t.match(await hashOf(mina), OWN_ARGON2ID)
    t.equal((await tryPassword(mina, 'password')).statusCode, 200)
  }
})

t.test(
  'a password matches in each of its Unicode forms, at any length that is allowed, and is never truncated',
  async (t) => {
    const service = await startService(t, ARGON2ID)
    const mina = await service.signUp('mina')
    const stem = '열쇠 étés à la mer '.repeat(10)
    await setHash(mina, hashPassword(`${stem}ﬁn`, PARAMETERS))
    const before = await hashOf(mina)
    for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD']) {
      t.equal((await tryPassword(mina, `${stem}ﬁn`.normalize(form))).statusCode, 200, form)
    }
    t.equal(await hashOf(mina), before, 'the hash is of the NFKC form')
    t.equal((await tryPassword(mina, `${stem}fix`)).statusCode, 401)
    // Another system hashed the password without NFKC, but with the same parameters: the next log-in stores the NFKC
    // form.
    const asTyped = argon2HashSync('les e\u0301te\u0301s', { memoryCost: 7_168, timeCost: 5 })
    t.match(asTyped, OWN_ARGON2ID)
    await setHash(mina, asTyped)
    t.equal((await tryPassword(mina, 'les e\u0301te\u0301s')).statusCode, 200)
    t.not(await hashOf(mina), asTyped)
    t.equal((await tryPassword(mina, 'les \u00e9t\u00e9s')).statusCode, 200)
    t.match(verifyPassword('a'.repeat(257), hashPassword('', PARAMETERS), PARAMETERS), { isRight: false })
    t.throws(() => hashPassword('a'.repeat(257), PARAMETERS), RangeError)
  },
)

const PYTHON = process.env.PYTHON ?? 'python3'

function python(script: string, ...args: string[]): string {
  return execFileSync(PYTHON, ['-W', 'ignore', '-c', script, ...args], { encoding: 'utf8' }).trim()
}

function missing(module: string): string | false {
  try {
    python(`import ${module}`)
    return false
  } catch {
    return `${PYTHON} cannot import ${module}`
  }
}

for (const [module, hash, verify] of [
  [
    'argon2',
    'import sys, argon2; print(argon2.PasswordHasher().hash(sys.argv[1]))',
    'import sys, argon2; print(argon2.PasswordHasher().verify(sys.argv[2], sys.argv[1]))',
  ],
  [
    'passlib',
    'import sys; from passlib.hash import argon2; print(argon2.hash(sys.argv[1]))',
    'import sys; from passlib.hash import argon2; print(argon2.verify(sys.argv[1], sys.argv[2]))',
  ],
] as const) {
  t.test(`${module} of Python verifies our hashes, and its hashes log in`, { skip: missing(module) }, async (t) => {
    const service = await startService(t, ARGON2ID)
    const mina = await service.signUp('mina')
    t.equal(python(verify, PASSWORD, await hashOf(mina)), 'True')
    await setHash(mina, python(hash, PASSWORD))
    t.equal((await tryPassword(mina, WRONG)).statusCode, 401)
    await service.logIn('mina')
    t.match(await hashOf(mina), OWN_ARGON2ID)
  })
}

/**
 * CPU time to verify a wrong password, in milliseconds: the minimum of several runs, because other load only adds to
 * it.
 */
function costOf(stored: string | undefined, scheme: Parameters<typeof verifyPassword>[2]): number {
  const costs = Array.from({ length: 7 }, () => {
    const began = process.cpuUsage()
    verifyPassword(WRONG, stored, scheme)
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1_000
  })
  return Math.min(...costs)
}

t.test('a wrong password takes the CPU time of one hash of the current scheme, whatever hash is stored', async (t) => {
  for (const scheme of [
    { name: 'argon2id', memory: 32_768, passes: 4 },
    { name: 'bcrypt', cost: 10 },
  ] as const) {
    const unknown = costOf(undefined, scheme)
    const cheap = [
      hashPassword(PASSWORD, BCRYPT),
      hashPassword(PASSWORD, { name: 'argon2id', memory: 64, passes: 1 }),
      hashPassword(PASSWORD, { name: 'argon2id', memory: 8_192, passes: 2 }),
      hashPassword(PASSWORD, scheme),
      'no hash',
    ]
    for (const stored of cheap) {
      const cost = costOf(stored, scheme)
      t.comment({ scheme: scheme.name, stored: stored.slice(0, 36), unknown, cost })
      t.ok(cost > unknown / 1.9 && cost < 1.9 * unknown, `${scheme.name}: ${stored.slice(0, 36)}`)
    }
  }
})

t.test('a wrong password is delayed by as much as the most expensive hash of an earlier scheme takes', async (t) => {
  const service = await startService(t, { ...ARGON2ID, LOGIN_THROTTLE: 'off' })
  const mina = await service.signUp('mina')
  await service.signUp('joon')
  const { database, passwords } = service.app
  t.equal((await passwords.verify(WRONG, undefined)).restMs, 0)
  const costs = new StoredCosts(database, passwords)
  await costs.look()
  t.equal((await passwords.verify(WRONG, undefined)).restMs, 0, 'hashes of the current scheme add no delay')
  const stored = hashPassword(PASSWORD, { name: 'bcrypt', cost: 12 })
  await setHash(mina, stored)
  await costs.look()
  const { restMs } = await passwords.verify(WRONG, undefined)
  t.ok(restMs > 20, 'a hash of argon2id of 7 MiB is far cheaper than bcrypt at cost 12')
  // Other load makes single tries look more expensive than they are; the measured costs decrease again.
  const restsOfDear: number[] = []
  const isLess = () => restsOfDear.some((rest) => rest < restMs / 2)
  while (restsOfDear.length < 30 && !isLess()) restsOfDear.push((await passwords.verify(WRONG, stored)).restMs)
  t.ok(isLess(), `an expensive hash is delayed less: ${restsOfDear.map(Math.round)} of ${Math.round(restMs)}`)
  t.ok(
    (await passwords.verify(WRONG, await hashOf(await service.logIn('joon')))).restMs > 20,
    'a hash of the current scheme is delayed too',
  )
})

t.test(
  'each slot has its own memory for hashes of the current scheme; hashes of other schemes share a budget',
  { skip: availableParallelism() < 2 ? 'there is one slot' : false },
  async (t) => {
    const passwords = new Passwords(
      loadConfig({ PASSWORD_HASH: 'argon2id', ARGON2_MEMORY: '128MiB', ARGON2_PASSES: '1' }),
    )
    const own = await passwords.hash(PASSWORD)
    const atWork = [passwords.verify(PASSWORD, own), passwords.verify(PASSWORD, own)]
    t.equal(passwords.waiting, 0)
    for (const { isRight } of await Promise.all(atWork)) t.ok(isRight)
    const other = hashPassword(PASSWORD, { name: 'argon2id', memory: 100 * 1_024, passes: 1 })
    const others = [passwords.verify(PASSWORD, other), passwords.verify(PASSWORD, other)]
    t.equal(passwords.waiting, 1)
    for (const verdict of await Promise.all(others)) t.match(verdict, { isRight: true, isOutdated: true })
  },
)
