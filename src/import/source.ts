import { isPostgres } from '../database-url.js'
import { UsageError } from '../usage-error.js'
import { type Encoding, encodingOf } from './encodings.js'

/**
 * The columns of a row by name, without loss: text, null, booleans and lists of JSON, floats of SQLite as numbers, and
 * bytes. Integers of every size, decimals and times are text as the source writes it.
 */
export type Row = Record<string, unknown>

/** Bytes of a BLOB or a bytea column. `decode` throws a UsageError that names the row when they are no text. */
export type Binary = Buffer & { decode(): string }

export function binary(bytes: Buffer, decode: (bytes: Buffer) => string): Binary {
  return Object.assign(bytes, { decode: () => decode(bytes) })
}

/** A table or a view of another application's database, or a file that stands for a table. */
export interface SourceTable {
  name: string
  /** PostgreSQL only. */
  schema?: string
  columns: string[]
  /**
   * These columns of every row (default: all), in the order of the table's first column; may be called again.
   * @throws UsageError
   */
  rows(columns?: string[]): AsyncIterable<Row>
}

/** A source of people. It is only read, as it is at one moment. */
export interface Source {
  tables: SourceTable[]
  close(): Promise<void>
}

/**
 * Opens a database of SQLite (a path) or PostgreSQL (an address), or a file of people (.csv, .tsv, .txt, .jsonl). Text is UTF-8
 * unless `encoding` names another one.
 * @throws UsageError when it is none of these or cannot be read
 */
export async function openSource(address: string, encodingName?: string): Promise<Source> {
  const encoding = encodingName === undefined ? undefined : await encodingOf(encodingName)
  if (isPostgres(address)) {
    if (encoding !== undefined) throw new UsageError('--encoding is for files: PostgreSQL converts its text itself')
    const { openPostgresSource } = await import('./source-postgres.js')
    return openPostgresSource(address)
  }
  return openFile(address.replace(/^sqlite:/, ''), encoding)
}

async function openFile(path: string, encoding: Encoding | undefined): Promise<Source> {
  if (/\.(csv|tsv|txt|jsonl|ndjson)$/i.test(path)) {
    const { openFileSource } = await import('./source-file.js')
    return openFileSource(path, encoding)
  }
  if (/\.json$/i.test(path)) throw new UsageError(`${path}: write one object a line, and call the file .jsonl`)
  const { openSqliteSource } = await import('./source-sqlite.js')
  return openSqliteSource(path, encoding)
}

/**
 * The table of a name, whatever its capitals; `schema.table` names one of PostgreSQL.
 * @throws UsageError when several schemas have a table of this name
 */
export function tableNamed(tables: SourceTable[], name: string): SourceTable | undefined {
  const isMeant = (text: string) => text.toLowerCase() === name.toLowerCase()
  const exact = tables.filter((table) => table.name === name)
  const found = exact.length > 0 ? exact : tables.filter((table) => isMeant(table.name) || isMeant(qualified(table)))
  if (found.length > 1) {
    throw new UsageError(
      `there is more than one table ${name}: say which, as in --map users=<schema>.<table>, of ${found.map(qualified).join(', ')}`,
    )
  }
  return found[0]
}

/** The name of a table with its schema, where it has one. */
export function qualified({ schema, name }: Pick<SourceTable, 'schema' | 'name'>): string {
  return schema === undefined ? name : `${schema}.${name}`
}

/** A name in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
