import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isPostgres, sqlitePath } from '../config/database-url.js'
import { DatabaseError } from '../database/database.js'
import { openDatabase } from '../database/open.js'
import { printError } from '../terminal.js'

/** A database as it may be shown: the whole path of a file, or where a server is without the password. */
export function databaseName(url: string): string {
  if (!isPostgres(url)) return resolve(sqlitePath(url))
  if (!URL.canParse(url)) return 'PostgreSQL'
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

/** Says on standard error which database a command works on; standard output is for what it prints. */
export function announceDatabase(url: string): void {
  printError(`Database: ${databaseName(url)}`)
}

/** Tells the operator what a command waits for while it opens a database. */
export function printNotice(notice: string): void {
  printError(`latchkey: ${notice}`)
}

/**
 * Refuses to go on where a command would make a new installation by accident: in another folder or database than was meant.
 * @throws DatabaseError also for an older database, which `latchkey migrate` brings up to date
 */
export async function assertInstallation(url: string): Promise<void> {
  if (isPostgres(url)) {
    const database = await openDatabase(url, { migrate: false, poolSize: 1, onNotice: printNotice })
    await database.close()
  } else if (!existsSync(sqlitePath(url))) {
    throw new DatabaseError(`There is no database at ${databaseName(url)}: see DATABASE_URL and the working folder.`)
  }
}
