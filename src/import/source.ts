import { isPostgres } from '../database.js'
import { UsageError } from '../usage-error.js'

export type Row = Record<string, unknown>

/** A table of somebody else's, or a file that stands for one. */
export interface SourceTable {
  name: string
  columns: string[]
  /** From the first row to the last, in the order of the first column; may be called again. */
  rows(): AsyncIterable<Row>
}

/** Where people come from; only read, as it is at one moment. */
export interface Source {
  tables: SourceTable[]
  close(): Promise<void>
}

/**
 * Opens a database of SQLite (a path) or PostgreSQL (an address), or a file of people (.csv, .jsonl).
 * @throws UsageError when it is none of these or cannot be read
 */
export async function openSource(address: string): Promise<Source> {
  if (isPostgres(address)) {
    const { openPostgresSource } = await import('./source-postgres.js')
    return openPostgresSource(address)
  }
  const path = address.replace(/^sqlite:/, '')
  if (/\.(csv|jsonl|ndjson)$/i.test(path)) {
    const { openFileSource } = await import('./source-file.js')
    return openFileSource(path)
  }
  if (/\.json$/i.test(path)) throw new UsageError(`${path}: write one object a line, and call the file .jsonl`)
  const { openSqliteSource } = await import('./source-sqlite.js')
  return openSqliteSource(path)
}

/** A name in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
