import { DatabaseError } from '../database.js'

/** Parameters that the driver reads. The driver silently ignores any other parameter. */
const PARAMETERS = new Set([
  'host',
  'port',
  'user',
  'password',
  'options',
  'application_name',
  'fallback_application_name',
  'ssl',
  'sslmode',
  'sslcert',
  'sslkey',
  'sslrootcert',
  'sslnegotiation',
  'uselibpqcompat',
  'client_encoding',
  'encoding',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
])

/** The driver takes any other value for `sslmode=verify-full`. */
const TLS_VALUES: Record<string, readonly string[]> = {
  sslmode: ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'],
  ssl: ['true', '1', '0', 'no-verify'],
}

/** A socket: `postgres://user:password@/database?host=/folder`, which the driver reads, and Node's URL does not. */
const WITHOUT_HOST = /^(\w+:\/\/[^@/?#]*@)(?=\/[^@?#]*\?(?:[^@#]*&)?host=)/

const INSTEAD: Record<string, string> = {
  schema: 'for a schema, write ?options=-c%20search_path%3D<schema>, or alter role ... set search_path.',
  target_session_attrs: 'name the primary, or an address that follows it.',
}

/**
 * Refuses addresses that the driver would misread. `name` is the setting or option that holds the address.
 * @throws DatabaseError without the password
 */
export function assertReadable(url: string, name: string): void {
  if (/^[^/]*\/\/([^/?#]*@)?[^/?#@]*,/.test(url)) {
    throw new DatabaseError(`${name} names several hosts: name one, or an address that follows the primary.`)
  }
  if (!URL.canParse(withHost(url))) {
    throw new DatabaseError(
      `${name} is not an address such as postgres://user:password@host:5432/database; in a password write / as %2F, @ as %40, # as %23, ? as %3F.`,
    )
  }
  for (const [parameter, value] of new URL(withHost(url)).searchParams) {
    const values = TLS_VALUES[parameter]
    if (values?.includes(value) === false) {
      throw new DatabaseError(`${name} has ${parameter}=${value}: ${parameter} is one of ${values.join(', ')}.`)
    }
  }
}

/** Refuses parameters that the driver ignores, too. @throws DatabaseError likewise */
export function assertPostgresUrl(url: string, name: string): void {
  assertReadable(url, name)
  for (const parameter of new URL(withHost(url)).searchParams.keys()) {
    if (!PARAMETERS.has(parameter)) {
      throw new DatabaseError(
        `${name} has the parameter ${parameter}, which has no effect: ${INSTEAD[parameter] ?? 'remove it.'}`,
      )
    }
  }
}

function withHost(url: string): string {
  return url.replace(WITHOUT_HOST, '$1localhost')
}
