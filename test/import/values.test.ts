// On SQLite alone: the source is a SQLite file, and nothing is written.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { readOldId } from '../../src/import/old-ids.js'
import { openSource } from '../../src/import/open-source.js'
import type { Row } from '../../src/import/source.js'
import { exactTextOf, isAbsent, textOf } from '../../src/import/values.js'
import { temporaryFolder } from '../helper.js'
import { openFile } from '../support/sqlite.js'

// How the sources read a value. ids.test.ts checks that no user gets the rows of another.

const BIG = '430628086183100417'

t.test('SQLite: every value is read as it is stored', async (t) => {
  const file = join(await temporaryFolder(t), 'old.db')
  const database = await openFile(t, file)
  database.exec(`create table users (id, username, "pass""word" text, note blob, doubled generated always as (id || '!'));
    insert into users (id, username, "pass""word", note) values
      (${BIG}, 7, 'x', x'00ff'), (9223372036854775807, 0.5, '', null), (12.0, 9e999, ' padded ', x'')`)
  const rows = await rowsOf(t, file)
  t.same(
    rows.map(({ id, username, 'pass"word': password, doubled }) => ({ id, username, password, doubled })),
    [
      { id: 12, username: Number.POSITIVE_INFINITY, password: ' padded ', doubled: '12.0!' },
      { id: BIG, username: '7', password: 'x', doubled: `${BIG}!` },
      { id: '9223372036854775807', username: 0.5, password: '', doubled: '9223372036854775807!' },
    ],
  )
  t.same(rows[1]?.note, Buffer.from([0, 255]))
  t.same(
    rows.map(({ username }) => textOf(username)),
    [null, '7', '0.5'],
    'an infinite number stands for any text that looked like one too large',
  )
  t.same(
    rows.map(({ 'pass"word': password }) => [textOf(password), exactTextOf(password)]),
    [
      ['padded', ' padded '],
      ['x', 'x'],
      [null, null],
    ],
  )
})

t.test('JSON lines: numbers are read as they are written, and values that MongoDB wraps are unwrapped', async (t) => {
  const file = join(await temporaryFolder(t), 'people.jsonl')
  const lines = [
    `{"id":${BIG},"username":0010e2}`.replace('0010e2', '1.50'),
    '{"_id":{"$oid":"507f1f77bcf86cd799439011"},"username":"a","at":{"$date":{"$numberLong":"1656155025123"}}}',
    '{"_id":{"$binary":{"base64":"AZ+OK3tKfCGlPfHi0/+AkA==","subType":"04"}},"profile":{"mail":"b@example.com"},"tags":[1]}',
    '{"__proto__":{"username":"nobody"},"constructor":"x"}',
  ]
  await writeFile(file, lines.join('\n'))
  const [first, second, third, fourth] = await rowsOf(t, file)
  t.same(first, { id: BIG, username: '1.50' })
  t.same(second, { _id: '507f1f77bcf86cd799439011', username: 'a', at: '1656155025123' })
  t.same(readOldId(third?._id), { id: '019f8e2b7b4a7c21a53df1e2d3ff8090' })
  t.equal(third?.['profile.mail'], 'b@example.com', 'a field inside a field can be mapped')
  t.equal(fourth?.username, undefined)
  t.equal(fourth?.constructor, 'x')
})

t.test('an old id is normalized, and an absent, rounded or structured id is rejected', async (t) => {
  const ids: [unknown, string][] = [
    ['430628086183100417', BIG],
    [' 42\r\n', '42'],
    ['a b', 'a b'],
    ['007', '007'],
    ['12.0', '12'],
    [12, '12'],
    ['12.50', '12.50'],
    ['-5', '-5'],
    ['12e5', '12e5'],
    [Buffer.from('018f9c2e7b4a7c21a53df1e2d3ff8090', 'hex'), '018f9c2e7b4a7c21a53df1e2d3ff8090'],
    [Buffer.from([0x34, 0x32]), '\\x3432'],
  ]
  for (const [value, id] of ids) t.same(readOldId(value), { id }, String(value))
  const faults: [unknown, string][] = [
    [null, 'no id'],
    ['', 'no id'],
    ['\\N', 'no id'],
    ['NULL', 'no id'],
    ['None', 'no id'],
    ['nan', 'no id'],
    [Buffer.alloc(0), 'no id'],
    ['4.30628E+17', 'an id that was rounded'],
    ['4.306280861831004e+17', 'an id that was rounded'],
    ['430628086183100416.0', 'an id that was rounded'],
    [2 ** 60, 'an id that was rounded'],
    [Number.POSITIVE_INFINITY, 'an id that was rounded'],
    [true, 'an id that is no number, text or bytes'],
    [{ a: 1 }, 'an id that is no number, text or bytes'],
    [[1], 'an id that is no number, text or bytes'],
  ]
  for (const [value, fault] of faults) t.same(readOldId(value), { fault }, String(value))
})

t.test('two different ids never have the same normalized text', async (t) => {
  const word = fc.stringMatching(/^[!-~가-힣]+( [!-~가-힣]+)?$/).filter((text) => !isAbsent(text))
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((array) => Buffer.from(array))
  const id = fc.oneof(
    fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
    word.filter((text) => 'id' in readOldId(text) && !/^(\\x)?[\da-f]+$|\.0+$/.test(text)),
    bytes,
  )
  const isSame = (one: string | Buffer, two: string | Buffer) =>
    typeof one === typeof two && Buffer.from(one as string).equals(Buffer.from(two as string))
  fc.assert(
    fc.property(id, id, (one, two) => {
      const [left, right] = [readOldId(one), readOldId(two)]
      if (!('id' in left) || !('id' in right)) return false
      return isSame(one, two) === (left.id === right.id)
    }),
    { numRuns: 5_000 },
  )
  t.pass()
})

t.test('spaces and line breaks around user names, addresses and hashes are removed, and NULL is no name', async (t) => {
  const file = join(await temporaryFolder(t), 'people.csv')
  const hash = await bcryptHash('three quiet lanterns', 4)
  await writeFile(
    file,
    `\uFEFF id , "username" ,email\n1," joon ","joon@example.com\n"\n2,\u00A0sora\t,\\N\n3,   ,(null)\n`,
  )
  const rows = await rowsOf(t, file)
  t.same(
    rows.map(({ id, username, email }) => [textOf(id), textOf(username), isAbsent(email) ? null : textOf(email)]),
    [
      ['1', 'joon', 'joon@example.com'],
      ['2', 'sora', null],
      ['3', null, null],
    ],
  )
  t.equal(textOf(`${hash}\r\n`), hash)
  t.match(await readFile(file, 'utf8'), /\u00A0/)
})

async function rowsOf(t: Test, file: string): Promise<Row[]> {
  const source = await openSource(file)
  t.teardown(() => source.close())
  const rows: Row[] = []
  for await (const row of source.tables[0]?.rows() ?? []) rows.push(row)
  return rows
}
