import type BetterSqlite3 from 'better-sqlite3'
import { CommandError } from '../command-error.js'
import { type Encoding, notInEncoding, UTF_8, unicode } from './encodings.js'
import { binary, quoted, type Row, type Source } from './source.js'
import { openSqliteFile } from './sqlite-file.js'

/** Tables before views. SQLite's own tables are skipped. */
const TABLES = `select name from sqlite_schema where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\'
  order by type, rowid`
/** Includes generated columns, but not the hidden columns of virtual tables. */
const COLUMNS = 'select name from pragma_table_xinfo(?) where hidden <> 1'

/** An SQLite file, such as the tutorials create. @throws CommandError */
export async function openSqliteSource(path: string, encoding: Encoding = UTF_8): Promise<Source> {
  const { connection, close } = await openSqliteFile(path)
  const stored = String(connection.pragma('encoding', { simple: true })).toLowerCase()
  const reader = { connection, path, encoding: stored === 'utf-8' ? encoding : unicode(stored) }
  const names = connection.prepare(TABLES).pluck().all() as string[]
  const tables = names.map((name) => {
    const columns = columnsOf(connection, name)
    return { name, columns, rows: (wanted = columns) => readRows(reader, name, columns[0] ?? '', wanted) }
  })
  return { tables: tables.filter(({ columns }) => columns.length > 0), close }
}

/** Empty for a broken view, or for a virtual table that needs an extension. */
function columnsOf(connection: BetterSqlite3.Database, table: string): string[] {
  try {
    return connection.prepare(COLUMNS).pluck().all(table) as string[]
  } catch {
    return []
  }
}

interface Reader {
  connection: BetterSqlite3.Database
  path: string
  encoding: Encoding
}

async function* readRows(
  { connection, path, encoding }: Reader,
  table: string,
  first: string,
  columns: string[],
): AsyncGenerator<Row> {
  // Reads text as bytes: the driver would replace invalid UTF-8 by U+FFFD.
  const values = columns
    .map(quoted)
    .flatMap((name) => [
      `typeof(${name})`,
      `case typeof(${name}) when 'text' then cast(${name} as blob) else ${name} end`,
    ])
  let number = 0
  try {
    const select = connection.prepare(`select ${values.join(', ')} from ${quoted(table)} order by ${quoted(first)}`)
    for (const row of select.raw().safeIntegers().iterate() as Iterable<unknown[]>) {
      number += 1
      const where = `${path}, table ${table}, row ${number},`
      const decode = (bytes: Buffer) => decodeText(bytes, encoding, where)
      yield Object.fromEntries(columns.map((name, at) => [name, readCell(row[2 * at], row[2 * at + 1], decode)]))
    }
  } catch (error) {
    if (!(error as { code?: string }).code?.startsWith('SQLITE_')) throw error
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
}

function readCell(type: unknown, value: unknown, decode: (bytes: Buffer) => string): unknown {
  if (type === 'integer') return String(value)
  if (type === 'text') return decode(value as Buffer)
  return type === 'blob' ? binary(value as Buffer, decode) : value
}

function decodeText(bytes: Buffer, encoding: Encoding, where: string): string {
  try {
    return encoding.decode(bytes)
  } catch {
    throw notInEncoding(where, encoding)
  }
}
