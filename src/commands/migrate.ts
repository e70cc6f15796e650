import { loadConfig } from '../config/config.js'
import { print, printJson } from '../terminal.js'
import { announceDatabase, databaseName, openForCommand } from './database-address.js'

export const HELP = `Usage: latchkey migrate [--json]

Creates the database of DATABASE_URL or migrates it to this version. The service does the same on start unless
MIGRATE_ON_START=off.

  --json   print the result as JSON

Exit codes: 0 the database is up to date; 1 it is not, with the reason; 64 wrong usage; 78 wrong settings.
`

export const options = { json: { type: 'boolean' } } as const

export async function run({ json }: { json?: boolean }): Promise<void> {
  const { DATABASE_URL } = loadConfig()
  announceDatabase(DATABASE_URL)
  const database = await openForCommand(DATABASE_URL, { migrate: true })
  await database.close()
  if (json) printJson({ database: databaseName(DATABASE_URL), is_up_to_date: true })
  else print('The database is up to date.')
}
