import { loadConfig } from '../config.js'
import { openDatabase } from '../database-open.js'
import { print } from '../terminal.js'

export const HELP = `Usage: latchkey migrate

Brings the database of DATABASE_URL up to date and ends. The service does the same on start unless MIGRATE_ON_START=off.
`

export async function run(): Promise<void> {
  const database = await openDatabase(loadConfig().DATABASE_URL, { migrate: true })
  await database.close()
  print('The database is up to date.')
}
