// On SQLite alone: no database.

import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config/config.js'
import { temporaryFolder } from '../helper.js'

const GOOD = 'qM3v0zJ1Xy7Rk5wT9cLbN2sHdF8gPaUe'
const OTHER = '8fK2mWq7ZxV4nTbY6rJcL1sHdG9pAeUo'

t.test('a secret that others know or could guess is refused', async (t) => {
  const cases: [string, RegExp][] = [
    ['437374e9d2dc467abe0d0ab9b985c742', /public tutorial/],
    ['super-secret-key', /public tutorial/],
    ['4ab2fce7a6bd79e1c014396315ed322dd6edb1c5d975c6b74a2904135172c03c', /public tutorial/],
    ['1184cf8c81a173ab236d500cd2a98cf37cf2ad32d33052a523107d892dfad6a3', /public tutorial/],
    ['344a451d26d1968c0cd4ca12613e5f61b0f71dafced442c730edba55bb9035bc', /public tutorial/],
    ['344A451D26D1968C0CD4CA12613E5F61B0F71DAFCED442C730EDBA55BB9035BC', /public tutorial/],
    ['', /is empty/],
    ['a', /at least 32 bytes/],
    ['secret', /at least 32 bytes/],
    [GOOD.slice(1), /at least 32 bytes/],
    // 32 hexadecimal characters are only 16 bytes.
    ['0123456789abcdef0123456789abcdee', /at least 32 bytes/],
    ['a'.repeat(64), /placeholder/],
    ['ab'.repeat(32), /placeholder/],
    ['change-me-to-something-long-and-random', /placeholder/],
    ['CHANGEME-to-something-long-and-random!', /placeholder/],
    ['your-secret-key-of-at-least-32-bytes!!', /placeholder/],
    ['replace_me_with_openssl_rand_base64_32', /placeholder/],
  ]
  for (const [secret, words] of cases) {
    const problem = problemWith({ SECRET_KEY: secret })
    t.match(problem, /^SECRET_KEY /, secret)
    t.match(problem, words, secret)
    if (secret.length > 8) t.notOk(problem.includes(secret), 'the message does not repeat the secret')
  }
})

t.test('a secret of at least 32 bytes is accepted, in any encoding', async (t) => {
  const hex = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
  for (const secret of [GOOD, hex, hex.toUpperCase(), `${GOOD}+/=`, '열쇠는화분밑에둡니다물주는날에']) {
    t.same(loadConfig({ SECRET_KEY: secret }).SECRET_KEY, [secret], secret)
  }
})

t.test('a SECRET_KEY list holds new and old secrets, and each must be valid', async (t) => {
  t.same(loadConfig({ SECRET_KEY: `${GOOD}, ${OTHER}` }).SECRET_KEY, [GOOD, OTHER])
  t.match(problemWith({ SECRET_KEY: `${GOOD},super-secret-key` }), /public tutorial/)
  t.match(problemWith({ SECRET_KEY: `secret,${GOOD}` }), /at least 32 bytes/)
  for (const blank of [' ', ',', ' , ']) t.match(problemWith({ SECRET_KEY: blank }), /^SECRET_KEY /, `"${blank}"`)
})

t.test('NAME_FILE reads the value from a file, without the line break at its end', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'secret')
  for (const end of ['', '\n', '\r\n']) {
    await writeFile(file, GOOD + end, { mode: 0o600 })
    t.same(loadConfig({ SECRET_KEY_FILE: file }).SECRET_KEY, [GOOD], JSON.stringify(end))
  }
  await writeFile(join(folder, 'port'), '8080\n')
  t.equal(loadConfig({ PORT_FILE: join(folder, 'port') }).PORT, 8080)
  await writeFile(join(folder, 'port'), '80\n80\n')
  t.match(problemWith({ PORT_FILE: join(folder, 'port') }), /^PORT contains a control character/)
})

t.test('a NAME_FILE that holds nothing, cannot be read or is set beside NAME is refused', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'secret')
  await writeFile(file, GOOD, { mode: 0o600 })
  t.match(problemWith({ SECRET_KEY: OTHER, SECRET_KEY_FILE: file }), /^SECRET_KEY is set twice.*SECRET_KEY_FILE/)
  t.match(problemWith({ SECRET_KEY: '', SECRET_KEY_FILE: file }), /^SECRET_KEY is set twice/)
  t.equal(
    problemWith({ BRAND_NAME: 'Acme', BRAND_NAME_FILE: file }),
    'BRAND_NAME "Acme" is set twice: remove BRAND_NAME or BRAND_NAME_FILE',
  )
  t.match(problemWith({ SECRET_KEY_FILE: join(folder, 'none') }), /^SECRET_KEY .*SECRET_KEY_FILE.*ENOENT/)
  t.match(problemWith({ SECRET_KEY_FILE: folder }), /^SECRET_KEY .*SECRET_KEY_FILE.*EISDIR/)
  t.match(problemWith({ SECRET_KEY_FILE: '' }), /^SECRET_KEY .*SECRET_KEY_FILE/)
  for (const nothing of ['', '\n', '\r\n']) {
    await writeFile(file, nothing)
    t.match(problemWith({ SECRET_KEY_FILE: file }), /^SECRET_KEY is empty/, JSON.stringify(nothing))
  }
  await writeFile(file, 'super-secret-key\n')
  t.match(problemWith({ SECRET_KEY_FILE: file }), /^SECRET_KEY is printed in a public tutorial/)
})

t.test('a secret file that its group or others can access is rejected, as ssh does with its keys', async (t) => {
  const file = join(await temporaryFolder(t), 'secret')
  for (const [name, secret] of [
    ['SECRET_KEY', GOOD],
    ['LEGACY_TOKENS', `${GOOD}@2099-01-31`],
  ] as const) {
    await writeFile(file, `${secret}\n`)
    for (const mode of [0o640, 0o604, 0o620, 0o644, 0o660, 0o666, 0o444, 0o777]) {
      await chmod(file, mode)
      const problem = problemWith({ [`${name}_FILE`]: file })
      t.match(problem, `${name} cannot be read from the file that ${name}_FILE names`, mode.toString(8))
      t.match(problem, `mode 0${mode.toString(8)}): run chmod 600 ${file}`)
      t.notMatch(problem, GOOD)
    }
    for (const mode of [0o600, 0o400]) {
      await chmod(file, mode)
      t.equal(problemWith({ [`${name}_FILE`]: file }), '', mode.toString(8))
    }
  }
  await writeFile(file, '8080\n')
  await chmod(file, 0o644)
  t.equal(problemWith({ PORT_FILE: file }), '', 'a file without a secret may be readable by all users')
})

t.test(
  'the mode of a secret file that belongs to another user is not checked',
  { skip: process.getuid?.() === 0 ? false : 'only root can give a file away' },
  async (t) => {
    const file = join(await temporaryFolder(t), 'secret')
    await writeFile(file, GOOD)
    await chmod(file, 0o444)
    await chown(file, 10_001, 10_001)
    t.equal(problemWith({ SECRET_KEY_FILE: file }), '')
  },
)

t.test('the rejection of a short secret states the required length', async (t) => {
  for (const secret of ['short', 'ab12'.repeat(8)]) {
    t.match(problemWith({ SECRET_KEY: secret }), 'at least 32 bytes: 64 hex digits or 44 base64 characters')
  }
})

/** The problem with this environment, or an empty string. */
function problemWith(env: Record<string, string>): string {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n')
    throw error
  }
  return ''
}
