import { resolve } from 'node:path'
import { readSetting } from '../config/config.js'
import { isPostgres, sqlitePath } from '../config/database-url.js'
import { printError } from '../terminal.js'
import { UsageError } from '../usage-error.js'

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
 * The address of a database, or what the variable of the environment of this name holds: so that no password need stand
 * in the list of processes. @throws UsageError
 */
export function addressOf(value: string): string {
  if (value.includes(':')) return value
  const address = readSetting(value)
  if (address === undefined) throw new UsageError(`${value} is neither an address nor a variable of the environment`)
  return address
}
