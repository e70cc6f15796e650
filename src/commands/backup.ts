import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { CommandError } from '../command-error.js'
import { loadConfig } from '../config/config.js'
import { isPostgres, sqlitePath } from '../config/database-url.js'
import { backUp } from '../database/sqlite/backup.js'
import { print, printError, printJson } from '../terminal.js'
import { UsageError } from '../usage-error.js'
import { announceDatabase } from './database-address.js'

export const HELP = `Usage: latchkey backup <file> [--json]

Copies the SQLite database into a new file while the service runs, and opens the copy to see that it is whole. Only the
owner may read the file; one that is there already is never written over.

SECRET_KEY is not in it: keep that elsewhere. PostgreSQL has pg_dump for this.

  --json   print what was written as JSON

Exit codes: 0 the copy is good; 1 there is none, with the reason; 2 the database is PostgreSQL; 64 wrong usage;
78 wrong settings.
`

export const OPERAND = '<file>'

export const options = { json: { type: 'boolean' } } as const

/** The database is none that this command can copy. */
const EXIT_ELSEWHERE = 2

export async function run({ json }: { json?: boolean }, [file, ...rest]: string[]): Promise<void> {
  if (file === undefined || rest.length > 0) throw new UsageError('say one file to write to: latchkey backup <file>')
  const { DATABASE_URL } = loadConfig()
  if (isPostgres(DATABASE_URL)) {
    printError('latchkey: PostgreSQL is backed up with pg_dump: pg_dump --format=custom "$DATABASE_URL"')
    process.exitCode = EXIT_ELSEWHERE
    return
  }
  if (existsSync(file)) throw new CommandError(`${file} is there already: say a new one`)
  const { bytes, counts, secretFile } = await backUp(sqlitePath(DATABASE_URL), file)
  announceDatabase(DATABASE_URL)
  if (json) {
    printJson({ file: resolve(file), bytes, rows: counts, secret_file: secretFile })
    return
  }
  const rows = Object.entries(counts).map(([table, count]) => `${count} ${table}`)
  print(`Wrote ${file}: ${bytes} bytes, integrity ok, ${rows.join(', ')}.`)
  print(`The secret is not in it: keep SECRET_KEY, or ${secretFile}, in another place.`)
}
