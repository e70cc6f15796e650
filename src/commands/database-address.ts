import { resolve } from 'node:path'
import { Value } from '@sinclair/typebox/value'
import { ConfigError, readSetting } from '../config/config.js'
import { isPostgres, sqlitePath } from '../config/database-url.js'
import { Settings } from '../config/settings.js'
import type { Database, OpenOptions } from '../database/database.js'
import { openDatabase } from '../database/open.js'
import { printError } from '../terminal.js'
import { COMMAND_TIMEOUTS } from '../timeouts.js'
import { UsageError } from '../usage-error.js'

/** The name of a database for messages: the full path of a file, or host and path of a server, without the password. */
export function databaseName(url: string): string {
  if (!isPostgres(url)) return resolve(sqlitePath(url))
  if (!URL.canParse(url)) return 'PostgreSQL'
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

/** Prints the database of a command on standard error, because standard output is for results. */
export function announceDatabase(url: string): void {
  printError(`Database: ${databaseName(url)}`)
}

/** Opens the database of a command, and prints what the command waits for. @throws DatabaseError */
export function openForCommand(url: string, options: Pick<OpenOptions, 'migrate' | 'addressName'>): Promise<Database> {
  return openDatabase(url, { ...options, onNotice: printNotice, lockMs: COMMAND_TIMEOUTS.lockMs })
}

/** Prints a notice, such as what a command waits for or what to do next, on standard error. */
export function printNotice(notice: string): void {
  printError(`latchkey: ${notice}`)
}

/**
 * A database URL, given directly or as the name of an environment variable: a password on the command line would appear
 * in the list of processes.
 * @throws UsageError, ConfigError
 */
export function addressOf(value: string): string {
  if (value.includes(':')) return value
  const address = variable(value)
  if (address === undefined)
    throw new UsageError(`${value} is neither an address nor the name of an environment variable`)
  return address
}

function variable(name: string): string | undefined {
  try {
    return readSetting(name)
  } catch (error) {
    throw new ConfigError([`${name} ${(error as Error).message}`])
  }
}

/**
 * The address of one of Latchkey's databases, from an option. Names only the option: an address may hold a password.
 * @throws UsageError
 */
export function databaseAddressOf(option: string, value: string): string {
  const address = addressOf(value)
  const schema = Settings.properties.DATABASE_URL
  if (!Value.Check(schema, address)) throw new UsageError(`${option} ${schema.errorMessage}`)
  return address
}
