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

Copies the SQLite database into a new file while the service runs, and checks the integrity of the copy. Only the owner can
read the file. An existing file is never overwritten.

The backup does not contain SECRET_KEY: keep it elsewhere. For PostgreSQL use pg_dump.

  --json   print what was written as JSON

Exit codes: 0 the copy is good; 1 no copy was made, with the reason; 2 the database is PostgreSQL; 64 wrong usage;
78 wrong settings.
`

export const OPERAND = '<file>'

export const options = { json: { type: 'boolean' } } as const

/** This command cannot copy PostgreSQL. */
const EXIT_ELSEWHERE = 2

export async function run({ json }: { json?: boolean }, [file, ...rest]: string[]): Promise<void> {
  if (!file || rest.length > 0) throw new UsageError('expected one argument: latchkey backup <file>')
  const { DATABASE_URL } = loadConfig()
  if (isPostgres(DATABASE_URL)) {
    printError('latchkey: PostgreSQL is backed up with pg_dump: pg_dump --format=custom "$DATABASE_URL"')
    process.exitCode = EXIT_ELSEWHERE
    return
  }
  if (existsSync(file)) throw new CommandError(`${file} exists already: choose a new file`)
  const { bytes, counts, secretFile } = await backUp(sqlitePath(DATABASE_URL), file)
  announceDatabase(DATABASE_URL)
  if (json) {
    printJson({ file: resolve(file), bytes, rows: counts, secret_file: secretFile })
    return
  }
  const rows = Object.entries(counts).map(([table, count]) => `${count} ${table}`)
  print(`Wrote ${file}: ${bytes} bytes, integrity ok, ${rows.join(', ')}.`)
  print(`The backup does not contain the secret: keep SECRET_KEY, or ${secretFile}, in another place.`)
}
