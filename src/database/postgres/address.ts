import { DatabaseError } from '../database.js'

/** Parameters that the driver reads. The driver silently ignores any other parameter. */
const PARAMETERS = new Set([
  ...['host', 'port', 'user', 'password', 'options', 'application_name', 'fallback_application_name'],
  ...['ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation', 'uselibpqcompat'],
  ...['client_encoding', 'encoding', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'],
])

const INSTEAD: Record<string, string> = {
  schema: 'for a schema, write ?options=-c%20search_path%3D<schema>, or alter role ... set search_path.',
  target_session_attrs: 'name the primary, or an address that follows it.',
}

/** Refuses addresses that the driver would misread or partly ignore. @throws DatabaseError without the password */
export function assertPostgresUrl(url: string): void {
  if (/^[^/]*\/\/([^/?#]*@)?[^/?#@]*,/.test(url)) {
    throw new DatabaseError('DATABASE_URL names several hosts: name one, or an address that follows the primary.')
  }
  if (!URL.canParse(url)) {
    throw new DatabaseError(
      'DATABASE_URL is not an address such as postgres://user:password@host:5432/database; in a password write / as %2F, @ as %40, # as %23, ? as %3F.',
    )
  }
  for (const name of new URL(url).searchParams.keys()) {
    if (!PARAMETERS.has(name)) {
      throw new DatabaseError(
        `DATABASE_URL has the parameter ${name}, which has no effect: ${INSTEAD[name] ?? 'remove it.'}`,
      )
    }
  }
}
