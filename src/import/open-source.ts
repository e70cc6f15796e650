import { CommandError } from '../command-error.js'
import { isPostgres } from '../config/database-url.js'
import { UsageError } from '../usage-error.js'
import { type Encoding, encodingOf } from './encodings.js'
import type { Source } from './source.js'

/**
 * Opens an SQLite database (a path), a PostgreSQL database (a URL), or a file of users (.csv, .tsv, .txt, .jsonl). Text
 * is UTF-8 unless `encodingName` is given.
 * @throws CommandError if the source is none of these or cannot be read; UsageError for an encoding that does not apply
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
  if (/\.json$/i.test(path)) throw new CommandError(`${path}: write one object per line, and name the file .jsonl`)
  const { openSqliteSource } = await import('./source-sqlite.js')
  return openSqliteSource(path, encoding)
}
