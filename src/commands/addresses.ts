import { readSetting } from '../config/config.js'
import { UsageError } from '../usage-error.js'

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
