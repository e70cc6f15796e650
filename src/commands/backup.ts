import { existsSync } from 'node:fs'
import { loadConfig } from '../config.js'
import { backUp } from '../database-sqlite-backup.js'
import { isPostgres, sqlitePath } from '../database-url.js'
import { print, printError } from '../terminal.js'
import { UsageError } from '../usage-error.js'

export const HELP = `Usage: latchkey backup <file>

Copies the SQLite database into a new file while the service runs, and opens the copy to see that it is whole. Only the
owner may read the file; one that is there already is never written over.

SECRET_KEY is not in it: keep that elsewhere. PostgreSQL has pg_dump for this.

Exit codes: 0 the copy is good; 1 it is not, and was removed; 2 the database is PostgreSQL; 64 usage.
`

export const OPERAND = '<file>'

/** The database is none that this command can copy. */
const EXIT_ELSEWHERE = 2

export async function run(_values: unknown, [file, ...rest]: string[]): Promise<void> {
  if (file === undefined || rest.length > 0) throw new UsageError('say one file to write to: latchkey backup <file>')
  const { DATABASE_URL } = loadConfig()
  if (isPostgres(DATABASE_URL)) {
    printError('latchkey: PostgreSQL is backed up with pg_dump: pg_dump --format=custom "$DATABASE_URL"')
    process.exitCode = EXIT_ELSEWHERE
    return
  }
  if (existsSync(file)) throw new UsageError(`${file} is there already: say a new one`)
  const { bytes, counts, secretFile } = await backUp(sqlitePath(DATABASE_URL), file)
  const rows = Object.entries(counts).map(([table, count]) => `${count} ${table}`)
  print(`Wrote ${file}: ${bytes} bytes, integrity ok, ${rows.join(', ')}.`)
  print(`The secret is not in it: keep SECRET_KEY, or ${secretFile}, in another place.`)
}
