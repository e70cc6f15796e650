// On SQLite alone: the decoding of files does not depend on the database.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSource } from '../../src/import/open-source.js'
import type { Row } from '../../src/import/source.js'
import { temporaryFolder } from '../helper.js'
import { installation } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

/** Values of --encoding, each with bytes and their text in this encoding. */
const ENCODINGS: [label: string, bytes: string, text: string][] = [
  ['cp949', 'b1e8b9cc94ee', '김미뷁'],
  ['euc-kr', 'b1e8b9cc', '김미'],
  ['EUC-KR', 'b1e8b9cc', '김미'],
  ['uhc', '94ee', '뷁'],
  ['shift_jis', '93fa967b', '日本'],
  ['euc-jp', 'c6fccbdc', '日本'],
  ['gbk', 'd6d0b9fa', '中国'],
  ['big5', 'a4a4b0ea', '中國'],
  ['windows-1252', '80e9', '€é'],
  ['latin1', '80e9', '€é'],
  ['iso-8859-2', 'b1', 'ą'],
  ['koi8-r', 'c4c1', 'да'],
  ['utf-16le', '00ac4b00', '가K'],
  ['utf-16be', 'ac00004b', '가K'],
  ['utf-8', 'eab080', '가'],
]

t.test('--encoding reads the usual encodings', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [label, hex, text] of ENCODINGS) {
    const wide = /^utf-16(..)/.exec(label)?.[1]
    const ascii = (line: string) => {
      if (wide === undefined) return Buffer.from(line)
      const bytes = Buffer.from(line, 'utf16le')
      return wide === 'be' ? bytes.swap16() : bytes
    }
    const path = join(folder, 'people.csv')
    await writeFile(
      path,
      Buffer.concat([ascii('username,name\r\n'), ascii('mina,'), Buffer.from(hex, 'hex'), ascii('\r\n')]),
    )
    t.same(await rowsOf(t, path, label), [{ username: 'mina', name: text }], label)
  }
  const database = join(folder, 'old.db')
  const source = await openFile(t, database)
  source.exec("create table users (username text); insert into users values (cast(x'b1e8b9cc94ee' as text))")
  t.same(await rowsOf(t, database, 'cp949'), [{ username: '김미뷁' }])
})

t.test('a byte order mark decides the encoding, and U+2028 inside a string does not end the line', async (t) => {
  const folder = await temporaryFolder(t)
  const line = JSON.stringify({ username: 'mina', name: 'a\u2028b\u2029c\u0085d' })
  for (const [bytes, encoding] of [
    [Buffer.from(`\uFEFF${line}\n`), undefined],
    [Buffer.from(`\uFEFF${line}`), 'cp949'],
    [Buffer.from(`\uFEFF${line}\r\n\r\n`, 'utf16le'), undefined],
    [Buffer.from(`\uFEFF${line}\n`, 'utf16le').swap16(), undefined],
  ] as const) {
    const path = join(folder, 'people.jsonl')
    await writeFile(path, bytes)
    t.same(await rowsOf(t, path, encoding), [{ username: 'mina', name: 'a\u2028b\u2029c\u0085d' }])
  }
  const utf16 = join(folder, 'utf16.db')
  const source = await openFile(t, utf16)
  source.exec("pragma encoding = 'UTF-16le'; create table users (username text); insert into users values ('김미나')")
  t.same(await rowsOf(t, utf16), [{ username: '김미나' }])
  const long = join(folder, 'long.csv')
  await writeFile(long, `username\n${'김미나가\n'.repeat(50_000)}`)
  const rows = await rowsOf(t, long)
  t.equal(rows.length, 50_000)
  t.ok(
    rows.every(({ username }) => username === '김미나가'),
    'characters that two chunks of the file share are read',
  )
})

t.test('a file that cannot be decoded or read is reported in one line, and nothing is written', async (t) => {
  const { run, startService, folder } = await installation(t)
  const file = (name: string) => join(folder, name)
  await writeFile(file('cp949.csv'), Buffer.from('username,password\nmina,x\n\xb1\xe8,x\n', 'latin1'))
  await writeFile(file('end.csv'), Buffer.from('username,password\nmina,\xed\x95', 'latin1'))
  await writeFile(
    file('latin.jsonl'),
    Buffer.from('{"username":"mina","password":"x"}\n{"username":"Ren\xe9"}', 'latin1'),
  )
  await writeFile(file('twice.csv'), 'id,username,password, "ID" \n1,mina,x,2\n')
  await writeFile(file('twice.jsonl'), '{"id":1,"username":"mina","password":"x","id":2}\n')
  await writeFile(file('cut.jsonl'), '{"id":1,"username":"mina","password":"x"}\n{"id":2,"usern')
  await mkdir(file('folder.csv'))
  await mkdir(file('folder.db'))
  const source = await openFile(t, file('old.db'))
  source.exec(`create table users (id integer primary key, username text, password text, note text);
    insert into users values (1, 'mina', 'x', cast(x'ff' as text)), (2, cast(x'b1e8' as text), 'x', '')`)
  const blobs = await openFile(t, file('blobs.db'))
  blobs.exec(`create table users (id integer primary key, username, password);
    insert into users values (1, x'6d696e61', 'x'), (2, x'b1e8', 'x')`)
  const faults: [args: string[], says: RegExp, code?: number][] = [
    [['cp949.csv'], /cp949\.csv, line 3, is not UTF-8: .*--encoding cp949/],
    [['cp949.csv', '--encoding', 'shift_jis-x'], /--encoding shift_jis-x: no such encoding/, 64],
    [['cp949.csv', '--encoding', 'base64'], /--encoding base64: no such encoding/, 64],
    [['cp949.csv', '--encoding', 'utf-16be'], /cp949\.csv/],
    [['end.csv'], /end\.csv, line 2, is not UTF-8/],
    [['latin.jsonl'], /latin\.jsonl, line 2, is not UTF-8/],
    [['twice.csv'], /two columns of the header are named ID/],
    [['twice.jsonl'], /twice\.jsonl, line 1: Duplicate key 'id'/],
    [['cut.jsonl'], /cut\.jsonl, line 2 is not JSON/],
    [['folder.csv'], /folder\.csv is a folder/],
    [['./folder.db'], /folder\.db is a folder/],
    [['old.db'], /old\.db, table users, row 2, is not UTF-8/],
    [['blobs.db'], /blobs\.db, table users, row 2, is not UTF-8/],
  ]
  for (const [args, says, expected = 1] of faults) {
    const { code, stderr, stdout } = await run(['import', ...args, '--apply'])
    t.equal(code, expected, `${args}: ${stderr}`)
    t.match(stderr, says)
    t.match(stderr, /^(latchkey: [^\n]*\n)$/, 'one line')
    t.equal(stdout, '')
  }
  const { db, tables } = (await startService()).app.database
  t.equal(await db.$count(tables.users), 0)
})

async function rowsOf(t: Test, file: string, encoding?: string): Promise<Row[]> {
  const source = await openSource(file, encoding)
  t.teardown(() => source.close())
  const rows: Row[] = []
  for await (const row of source.tables[0]?.rows() ?? []) rows.push(row)
  return rows
}
