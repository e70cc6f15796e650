import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { DatabaseError } from './database.js'
import { isPostgres, sqlitePath } from './database-url.js'

/** A database as it may be shown: the whole path of a file, or where a server is without the password. */
export function databaseName(url: string): string {
  if (!isPostgres(url)) return resolve(sqlitePath(url))
  if (!URL.canParse(url)) return 'PostgreSQL'
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

/** Refuses to go on where SQLite would make a new, empty database: in another folder than was meant. @throws DatabaseError */
export function assertDatabase(url: string): void {
  if (isPostgres(url) || existsSync(sqlitePath(url))) return
  throw new DatabaseError(`There is no database at ${databaseName(url)}: see DATABASE_URL and the working folder.`)
}
