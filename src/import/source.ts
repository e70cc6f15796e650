import { CommandError } from '../command-error.js'

/**
 * The columns of a row by name, without loss: text, null, booleans and lists of JSON, floats of SQLite as numbers, and
 * bytes. Integers of every size, decimals and times are text as the source writes it.
 */
export type Row = Record<string, unknown>

/** Bytes of a BLOB or a bytea column. `decode` throws a CommandError that names the row when they are no text. */
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
   * @throws CommandError
   */
  rows(columns?: string[]): AsyncIterable<Row>
}

/** A source of people. It is only read, as it is at one moment. */
export interface Source {
  tables: SourceTable[]
  close(): Promise<void>
}

/**
 * The table of a name, whatever its capitals; `schema.table` names one of PostgreSQL.
 * @throws CommandError when several schemas have a table of this name
 */
export function tableNamed(tables: SourceTable[], name: string): SourceTable | undefined {
  const isMeant = (text: string) => text.toLowerCase() === name.toLowerCase()
  const exact = tables.filter((table) => table.name === name)
  const found = exact.length > 0 ? exact : tables.filter((table) => isMeant(table.name) || isMeant(qualified(table)))
  if (found.length > 1) {
    throw new CommandError(
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
