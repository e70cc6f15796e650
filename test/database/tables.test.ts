// On SQLite alone: compares the two schemas, and creates a SQLite file.

import { join } from 'node:path'
import { getTableColumns, is } from 'drizzle-orm'
import { getTableConfig as configOfPg, PgTable } from 'drizzle-orm/pg-core'
import { getTableConfig as configOfSqlite, SQLiteTable } from 'drizzle-orm/sqlite-core'
import t from 'tap'
import * as pgSchema from '../../drizzle/schema.pg.js'
import * as sqliteSchema from '../../drizzle/schema.sqlite.js'
import { openDatabase } from '../../src/database/open.js'
import { temporaryFolder } from '../helper.js'
import { openFile } from '../support/sqlite.js'

t.test('the two schemas have the same tables, columns, indexes and keys, in the same order', async (t) => {
  t.same(Object.keys(sqliteSchema), Object.keys(pgSchema))
  const pg = pgTables().map(outline)
  t.ok(pg.length >= 8)
  t.same(sqliteTables().map(outline), pg)
})

t.test('the migrations make the tables that the schema describes', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  await (await openDatabase(`sqlite:${file}`, { migrate: true })).close()
  const connection = await openFile(t, file)
  const made = connection.prepare("select name from sqlite_schema where type = 'table'").pluck().all()
  const described = sqliteTables()
  t.same(
    made.filter((name) => !/^(sqlite_|migrations$|row_ids$)/.test(String(name))).sort(),
    described.map(({ name }) => name).sort(),
  )
  for (const { name, columns, indexes, foreignKeys, primaryKeys } of described) {
    const isKey = (column: string) => primaryKeys.some((key) => key.columns.some(({ name }) => name === column))
    t.same(
      connection.prepare('select name, lower(type), "notnull", pk > 0 from pragma_table_info(?)').raw().all(name),
      columns.map((column) => [
        column.name,
        column.getSQLType(),
        Number(column.notNull),
        Number(column.primary || isKey(column.name)),
      ]),
      `the columns of ${name}`,
    )
    t.same(
      connection.prepare("select name from pragma_index_list(?) where origin = 'c' order by name").pluck().all(name),
      [
        ...indexes.map(({ config }) => config.name),
        ...columns.flatMap(({ isUnique, uniqueName }) => (isUnique ? [uniqueName] : [])),
      ].sort(),
      `the indexes of ${name}`,
    )
    t.same(
      connection.prepare('select "from", lower(on_delete) from pragma_foreign_key_list(?)').raw().all(name),
      foreignKeys.map((key) => [key.reference().columns[0]?.name, key.onDelete]),
      `the foreign keys of ${name}`,
    )
  }
})

t.test('on SQLite, a table keyed by owner and id is WITHOUT ROWID and has a counter in row_ids', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  await (await openDatabase(`sqlite:${file}`, { migrate: true })).close()
  const connection = await openFile(t, file)
  const all = (statement: string) => connection.prepare(statement).pluck().all()
  const byOwner = sqliteTables()
    .flatMap(({ name, primaryKeys: [key] }) => (key?.columns.some((column) => column.name === 'id') ? [name] : []))
    .sort()
  t.ok(byOwner.length >= 2)
  t.same(all("select name from pragma_table_list where schema = 'main' and wr order by name"), byOwner)
  t.same(all('select name from row_ids order by name'), byOwner)
  const triggers = all("select name from sqlite_schema where type = 'trigger' order by name")
  t.same(triggers, [...byOwner.map((name) => `${name}_ids`), 'users_names_insert', 'users_names_update'])
})

function pgTables() {
  return Object.values(pgSchema).flatMap((table) => (is(table, PgTable) ? [{ table, ...configOfPg(table) }] : []))
}

function sqliteTables() {
  return Object.values(sqliteSchema).flatMap((table) =>
    is(table, SQLiteTable) ? [{ table, ...configOfSqlite(table) }] : [],
  )
}

/** What both engines describe in the same terms. Tables stored by owner have this index in their primary key. */
function outline({
  table,
  name,
  columns,
  indexes,
  foreignKeys,
  primaryKeys: [byOwner],
}: ReturnType<typeof pgTables | typeof sqliteTables>[number]) {
  return {
    name,
    keys: Object.keys(getTableColumns(table)),
    columns: columns.map((column) => ({
      name: column.name,
      type: column.dataType,
      words: column.enumValues,
      notNull: column.notNull,
      primary: column.primary || (byOwner !== undefined && column.name === 'id'),
      unique: column.isUnique && column.uniqueName,
      default: column.default,
    })),
    indexes: [...indexes.map(({ config }) => config.name), ...(byOwner ? [`${name}_user`] : [])],
    foreignKeys: foreignKeys.map((key) => [key.reference().columns[0]?.name, key.onDelete]),
  }
}
