import pg from 'pg'
import { Problem } from '../../problems.js'

/**
 * SQLSTATEs that mean "try again later": connections (08), authentication or missing database (28, 3D), resources (53),
 * shutdown or cancelled (57), disk (58, XX001, XX002), read-only standby after a failover (25006), idle transaction
 * timeout (25P03), locks and deadlocks (40, 55P03), and prepared statements that are outdated, missing or duplicate
 * (0A000, 26000, 42P05).
 */
const UNAVAILABLE = /^(08|28|3D|53|57|58|40|XX00[12]|25006|25P03|55P03|0A000|26000|42P05)/

/**
 * Turns an unreachable database into a 503. A statement that the server refuses is a bug: its error is returned
 * unchanged.
 */
export function asProblem(cause: unknown): unknown {
  if (!(cause instanceof pg.DatabaseError)) {
    // Without a SQLSTATE, the error comes from the connection, or from parameters that the driver cannot encode
    // (TypeError).
    return cause instanceof TypeError ? cause : new Problem('database_unavailable', { cause })
  }
  const { code = '', constraint } = cause
  if (constraint === 'users_username_key_unique') return new Problem('username_taken', { cause })
  if (constraint === 'users_email_key_unique') return new Problem('email_taken', { cause })
  // The only foreign key is the owner. The user was deleted a moment ago, and this process still accepted the token.
  if (code === '23503') return new Problem('invalid_token', { cause })
  if (code === '22021' || code === '22P05') return new Problem('text_rejected', { cause })
  return UNAVAILABLE.test(code) ? new Problem('database_unavailable', { cause }) : cause
}

/** Whether an error or its cause is a serialization failure or a deadlock. */
export function isConflict(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '40001' || error.code === '40P01'
  return error instanceof Error && isConflict(error.cause)
}

/** Whether the connection may be broken after this error. */
export function isUnavailable(error: unknown): boolean {
  const problem = asProblem(error)
  return problem instanceof Problem && problem.code === 'database_unavailable' && !isConflict(error)
}

/** Whether the server, the database or the role has reached its limit of connections. */
export function isFull(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '53300'
}
