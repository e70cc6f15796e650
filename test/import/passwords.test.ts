// On SQLite alone: the recognition of passwords and hashes does not depend on the database.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { like } from 'drizzle-orm'
import t from 'tap'
import { readPassword } from '../../src/import/password.js'
import { PASSWORD } from '../helper.js'
import { installation, tryPassword } from '../support/installation.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

const PLAIN = [
  'her old secret 12',
  'Tr0ub4dor&3',
  '!starts with a mark',
  '*and another',
  'deadbeef',
  'ILoveMyDogRexSince2015',
  'Kim:Mina:2022',
  'sunshinelover',
  'Password12345',
  '비밀번호 열두 자리',
]
const MARKS = ['!', '*', '!!', 'x', '*LK*', '!8Jk2mNo0pQrStUvWxYz1234567890abcdefghijkl', '!$6$salt$digest', '********']
MARKS.push('not cached', 'to be generated', 'NOT_SET', '[FILTERED]', '<hidden>', 'google', 'social_login', 'OAuth2')
MARKS.push('0', 'false', '0x', '()', '####', 'no password set')
const ABSENT = ['', 'NULL', '\\N', 'None', 'nan']
const HASHLIKE = [
  '5f4dcc3b5aa765d61d8327deb882cf99',
  '5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8',
  '0x5f4dcc3b5aa765d61d8327deb882cf99',
  `${'0123456789abcdef'.repeat(4)}`,
  '5f4dcc3b5aa765d61d8327deb882cf99:salt',
  'md5abcdef0123456789abcdef0123456789',
  'X03MO1qnZdYdgyfeuILPmQ==',
  'W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
  'XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=',
  '{SSHA}T9lyV590j1FvAZTQA5rXCCk3qaUhJARg',
  '$P$HvE5qep17khHMnabxKcGP9IE9QM.OH/',
  'sha1$qRW6rfRR1Bb9$0591c198a89913e1111dba50fd9063699e592035',
  '\\x5f4dcc3b5aa765d61d8327deb882cf99',
  "b'some bytes'",
  '5F-4D-CC-3B-5A-A7-65-D6-1D-83-27-DE-B8-82-CF-99',
  `0x0200${'ab12cd34'.repeat(17)}`,
  'sha1:64000:18:W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
  '{"value":"W6ph5Mm5Pz8GgiULbPgzG37mj9g=","salt":"x"}',
  '10000.7kQm3bX2C8ZgGm0n4KzxYA==.W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
  'X03MO1qnZdYdgyfeuILPmQ',
  'U2FsdGVkX18yNzY4',
  'rl.3StKT.4T8M',
  '{noop}her old secret 12',
  '_J9..rasmBYk8r9AiWNc',
]

t.test('a marker such as ! or a text that looks like a hash is not imported as a plain-text password', async (t) => {
  const { run, startService, folder } = await installation(t)
  const bcrypt = await bcryptHash(PASSWORD, 4)
  const wrapped = [`${bcrypt}  `, ` ${bcrypt}`, `${bcrypt}\r\n`, `"${bcrypt}"`, `'${bcrypt}'`, `b'${bcrypt}'`]
  wrapped.push(`\\x${Buffer.from(bcrypt).toString('hex')}`)
  wrapped.push(`{bcrypt}${bcrypt}`, `{CRYPT}${bcrypt}`)
  const stored = Object.entries({ plain: PLAIN, mark: MARKS, absent: ABSENT, like: HASHLIKE, wrapped })
  const people = stored.flatMap(([kind, texts]) => texts.map((text, index) => ({ username: `${kind}-${index}`, text })))
  const rows = people.map(({ username, text }) => `${username},"${text.replaceAll('"', '""')}"\n`)
  await writeFile(join(folder, 'people.csv'), `username,password\n${rows.join('')}`)

  const cautious = await run(['import', 'people.csv', '--json'])
  t.match(
    JSON.parse(cautious.stdout),
    { plaintext: 0, formats: { bcrypt: wrapped.length } },
    'nothing without --plaintext',
  )
  const { code, stdout, stderr } = await run(['import', 'people.csv', '--plaintext', '--apply'])
  t.equal(code, 0, stderr)
  t.match(stdout, new RegExp(` ${PLAIN.length} {2}in plain text\n`))
  t.match(stdout, new RegExp(` ${MARKS.length} {2}marked as unusable in the source\n`))
  t.match(stdout, new RegExp(` ${ABSENT.length} {2}empty\n`))
  t.match(stdout, new RegExp(` ${HASHLIKE.length} {2}that look like an unsupported hash.*\n *"like-0", "like-1"`))
  for (const text of [...HASHLIKE, ...PLAIN]) t.notOk(stdout.includes(text), 'no password is in the report')

  const service = await startService()
  for (const { username, text } of people) {
    const isPassword = username.startsWith('plain')
    const answer = await tryPassword(service, username, text === '' ? ' ' : text)
    t.equal(answer.statusCode, isPassword ? 200 : 401, `${username} with ${JSON.stringify(text)}`)
    if (username.startsWith('wrapped')) await service.logIn(username)
  }
})

t.test('--plaintext-all imports a text that looks like a hash as a password, but no marker', async (t) => {
  const { run, startService, folder } = await installation(t)
  await writeFile(join(folder, 'people.csv'), `username,password\nann,${HASHLIKE[0]}\nbob,!\ncat,NULL\n`)
  const { code, stdout, stderr } = await run(['import', 'people.csv', '--plaintext-all', '--apply', '--json'])
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), { plaintext: 1, withoutPassword: { unusable: 1, empty: 1 }, hashlike: { count: 0 } })
  const service = await startService()
  const { db, tables } = service.app.database
  const own = await db.$count(tables.users, like(tables.users.passwordHash, '$bcrypt-sha256$%'))
  t.equal(own, 1)
  t.equal((await tryPassword(service, 'ann', HASHLIKE[0] ?? '')).statusCode, 200)
  t.equal((await tryPassword(service, 'bob', '!')).statusCode, 401)
  t.equal((await tryPassword(service, 'cat', 'NULL')).statusCode, 401)
})

t.test('a plain password that cannot be stored is reported as such', async (t) => {
  const { run, folder } = await installation(t)
  await writeFile(join(folder, 'people.csv'), `username,password\nann,${'long '.repeat(300)}\n`)
  const { stdout } = await run(['import', 'people.csv', '--plaintext'])
  t.match(stdout, / 1 {2}a plain password that is too long or is no text\n/)
  t.notMatch(stdout, 'add --plaintext')
})

t.test('without --plaintext-all, a hash of an unknown format is no password', (t) => {
  for (const text of [
    ...HASHLIKE,
    '$2b$99$x',
    '$argon2i$m=512,t=2,p=2$c2FsdHNhbHQ$1lAAa7r9yrM3Z7uTCLLPuEyCEb9DKPhU0yg9F7tAcEQ',
  ]) {
    for (const plaintext of ['none', 'obvious'] as const) {
      t.match(readPassword(text, plaintext), { kind: 'none', reason: 'looks like a hash' }, text)
    }
  }
  t.end()
})

t.test('the report names hashes that take long, and says that the first log-in replaces them', async (t) => {
  const { run, folder } = await installation(t)
  const digest = 'A'.repeat(31)
  const salt = 'abcdefghijklmnopqrstuu'
  const hashes = [
    `$2b$14$${salt}${digest}`,
    `$2b$11$${salt}${digest}`,
    `$2b$10$${salt}${digest}`,
    `$6$rounds=656000$salt$${'a'.repeat(86)}`,
    '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB',
    `pbkdf2_sha256$1000000$salt$${'A'.repeat(43)}=`,
  ]
  const rows = hashes.map((hash, index) => `person${index},"${hash}"\n`).join('')
  await writeFile(join(folder, 'people.csv'), `username,password\n${rows}`)
  const { dear } = JSON.parse((await run(['import', 'people.csv', '--json'])).stdout)
  t.same(dear, { 'bcrypt of cost 14': 1, 'bcrypt of cost 11': 1, 'sha512-crypt': 1, argon2: 1 })
  const { stdout } = await run(['import', 'people.csv'])
  t.match(stdout, / 4 {2}that take longer than this service's own hashes: bcrypt of cost 14 \(1\), .*\n.*first logs in/)
  t.notMatch(stdout, /fs_uniquifier/)
})

t.test('the report warns of the hashes of Flask-Security, which are not of the password itself', async (t) => {
  const { run, folder } = await installation(t)
  const bcrypt = await bcryptHash(PASSWORD, 4)
  await writeFile(
    join(folder, 'people.csv'),
    `email,password,FS_Uniquifier\nmina@example.com,${bcrypt},x\njoon@example.com,,y\n`,
  )
  const { stdout, code } = await run(['import', 'people.csv'])
  t.equal(code, 0)
  t.match(stdout, / 1 {2}beside fs_uniquifier.*may not work/)
  t.match(stdout, /SECURITY_PASSWORD_SALT[\s\S]*\/v1\/users\/\{id\}\/password-reset/)
})
