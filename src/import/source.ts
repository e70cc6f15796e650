import { CommandError } from '../command-error.js'

/**
 * The columns of a row by name, without loss: text, null, booleans and lists of JSON, floats of SQLite as numbers, and
 * bytes. Integers of any size, decimals and times are the source's text.
 */
export type Row = Record<string, unknown>

/** Bytes of a BLOB or a bytea column. `decode` throws a CommandError that names the row if they are not text. */
export type Binary = Buffer & { decode(): string }

export function binary(bytes: Buffer, decode: (bytes: Buffer) => string): Binary {
  return Object.assign(bytes, { decode: () => decode(bytes) })
}

/** A table or a view of another application's database, or a file in place of a table. */
export interface SourceTable {
  name: string
  /** PostgreSQL only. */
  schema?: string
  columns: string[]
  /**
   * Reads these columns (default: all) of every row, in the order of the table's first column. May be called again.
   * @throws CommandError
   */
  rows(columns?: string[]): AsyncIterable<Row>
}

/** A source of users: a read-only snapshot. */
export interface Source {
  tables: SourceTable[]
  close(): Promise<void>
}

/**
 * The table of a name, ignoring case; `schema.table` names a table of PostgreSQL.
 * @throws CommandError if several schemas have a table of this name
 */
export function tableNamed(tables: SourceTable[], name: string): SourceTable | undefined {
  const isMeant = (text: string) => text.toLowerCase() === name.toLowerCase()
  const exact = tables.filter((table) => table.name === name)
  const found = exact.length > 0 ? exact : tables.filter((table) => isMeant(table.name) || isMeant(qualified(table)))
  if (found.length > 1) {
    throw new CommandError(
      `there is more than one table ${name}: choose one, as in --map users=<schema>.<table>, of ${found.map(qualified).join(', ')}`,
    )
  }
  return found[0]
}

/** The name of a table, with its schema if it has one. */
export function qualified({ schema, name }: Pick<SourceTable, 'schema' | 'name'>): string {
  return schema === undefined ? name : `${schema}.${name}`
}

/** A quoted identifier in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
