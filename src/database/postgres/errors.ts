import pg from 'pg'
import { Problem } from '../../problems.js'

/**
 * SQLSTATEs of a server that cannot now: connections (08), access (28, 3D), resources (53), shut down or cancelled (57),
 * its disk (58, XX001, XX002); a standby after a failover (25006), a transaction left alone (25P03), locks and deadlocks
 * (40, 55P03); and statements prepared before a migration or by another's connection (0A000, 26000, 42P05).
 */
const UNAVAILABLE = /^(08|28|3D|53|57|58|40|XX00[12]|25006|25P03|55P03|0A000|26000|42P05)/

/** A database that does not answer becomes a 503. The error of a statement that the server refuses is a bug: it is thrown on. */
export function asProblem(cause: unknown): unknown {
  if (!(cause instanceof pg.DatabaseError)) {
    // An error without a SQLSTATE is one of the connection, or of arguments that the driver cannot encode.
    return cause instanceof TypeError ? cause : new Problem('database_unavailable', { cause })
  }
  const { code = '', constraint } = cause
  if (constraint === 'users_username_key_unique') return new Problem('username_taken', { cause })
  if (constraint === 'users_email_key_unique') return new Problem('email_taken', { cause })
  // The only foreign key is the owner: a user who was deleted a moment ago, and whose token this process still accepted.
  if (code === '23503') return new Problem('invalid_token', { cause })
  if (code === '22021' || code === '22P05') return new Problem('text_rejected', { cause })
  return UNAVAILABLE.test(code) ? new Problem('database_unavailable', { cause }) : cause
}

/** Whether an error, or what caused it, is a serialization failure or a deadlock. */
export function hasLost(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '40001' || error.code === '40P01'
  return error instanceof Error && hasLost(error.cause)
}

/** Whether the connection of a statement that failed so may have failed with it. */
export function isUnavailable(error: unknown): boolean {
  const problem = asProblem(error)
  return problem instanceof Problem && problem.code === 'database_unavailable' && !hasLost(error)
}
