// On SQLite alone: the source is a SQLite file, and nothing is written.

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSource } from '../../src/import/open-source.js'
import { temporaryFolder } from '../helper.js'
import { openFile } from '../support/sqlite.js'

t.test('reading a file in WAL mode leaves no file beside it and does not change it', async (t) => {
  const { folder, file, database } = await inWalMode(t)
  database.close()
  t.same(await readdir(folder), ['old.db'])
  const before = await readFile(file)
  const copies = await copiesNow()
  t.same(await namesIn(file), ['mina'])
  t.same(await readdir(folder), ['old.db'])
  t.same(await readFile(file), before)
  t.same(await copiesNow(), copies, 'no copy is left in the temporary folder')
})

t.test('rows only in the write-ahead log are read, of a running application and of a killed one', async (t) => {
  const { folder, file, database } = await inWalMode(t)
  database.exec("insert into users values (2, 'joon')")
  const log = await readFile(`${file}-wal`)
  t.ok(log.length > 0)
  t.same(await namesIn(file), ['mina', 'joon'])
  t.same(await readdir(folder), ['old.db', 'old.db-shm', 'old.db-wal'])
  t.same(await readFile(`${file}-wal`), log)
  const killed = await temporaryFolder(t)
  await writeFile(join(killed, 'old.db'), await readFile(file))
  await writeFile(join(killed, 'old.db-wal'), log)
  t.same(await namesIn(join(killed, 'old.db')), ['mina', 'joon'])
  t.same(await readdir(killed), ['old.db', 'old.db-wal'])
  t.same(await readFile(join(killed, 'old.db-wal')), log)
})

t.test('a transaction that was not committed is not read, and its journal stays', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'old.db')
  const database = await openFile(t, file)
  database.exec("create table users (id integer primary key, name text); insert into users values (1, 'mina')")
  // With a cache of one page, SQLite writes to the database file before the commit.
  database.exec(`pragma cache_size = 1; begin; ${people(2, 20_000, 'cut off')}`)
  const cut = await temporaryFolder(t)
  for (const name of await readdir(folder)) await writeFile(join(cut, name), await readFile(join(folder, name)))
  t.same((await readdir(cut)).sort(), ['old.db', 'old.db-journal'])
  const before = await readFile(join(cut, 'old.db'))
  t.same(await namesIn(join(cut, 'old.db')), ['mina'])
  t.same((await readdir(cut)).sort(), ['old.db', 'old.db-journal'])
  t.same(await readFile(join(cut, 'old.db')), before)
  database.exec('rollback')
})

t.test('views are read, whatever their names, and a broken view is ignored', async (t) => {
  const file = join(await temporaryFolder(t), 'old.db')
  const database = await openFile(t, file)
  database.exec(`create table "pe""ople" (id integer primary key, "na""me" text, "a b" text);
    insert into "pe""ople" values (1, 'mina', 'x');
    create view users as select id, "na""me" as name from "pe""ople" where "a b" = 'x';
    create table gone (id); create view broken as select id from gone; drop table gone`)
  const source = await openSource(file)
  t.teardown(() => source.close())
  t.same(
    source.tables.map(({ name, columns }) => [name, columns]),
    [
      ['pe"ople', ['id', 'na"me', 'a b']],
      ['users', ['id', 'name']],
    ],
  )
  for (const { rows } of source.tables) for await (const row of rows()) t.equal(row.id, '1')
})

t.test('a damaged file causes an error that names the file', async (t) => {
  const file = join(await temporaryFolder(t), 'old.db')
  const database = await openFile(t, file)
  database.exec('create table users (id integer primary key, name text)')
  database.exec(people(1, 5_000, 'a person'))
  database.close()
  const bytes = await readFile(file)
  await writeFile(file, bytes.subarray(0, bytes.length / 2))
  await t.rejects(namesIn(file), /old\.db cannot be read( as SQLite)?: .*malformed/)
})

function people(from: number, to: number, name: string): string {
  const ids = `with recursive ids (id) as (select ${from} union all select id + 1 from ids where id < ${to})`
  return `insert into users ${ids} select id, '${name}' from ids`
}

async function inWalMode(t: Test) {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'old.db')
  const database = await openFile(t, file)
  database.exec(`pragma journal_mode = wal; create table users (id integer primary key, name text);
    insert into users values (1, 'mina')`)
  return { folder, file, database }
}

async function namesIn(file: string): Promise<unknown[]> {
  const source = await openSource(file)
  try {
    const names: unknown[] = []
    for await (const { name } of source.tables[0]?.rows() ?? []) names.push(name)
    return names
  } finally {
    await source.close()
  }
}

async function copiesNow(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('latchkey-import-'))
}
