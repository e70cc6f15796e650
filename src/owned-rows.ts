import { type AnyColumn, and, eq, type SQL } from 'drizzle-orm'
import { Problem } from './problems.js'

interface OwnedTable {
  id: AnyColumn
  userId: AnyColumn
  version: AnyColumn
}

/** The one row of this id, if it is the user's and, where a version is asked for, still of that version. */
export function ownedRow(table: OwnedTable, userId: number, id: number, version: number | undefined): SQL | undefined {
  const isVersion = version === undefined ? undefined : eq(table.version, version)
  return and(eq(table.id, id), eq(table.userId, userId), isVersion)
}

/** Why such a row was not touched, by what its owner finds there: another version, or nothing that is theirs. */
export function whyMissed([row]: unknown[]): Problem {
  return new Problem(row === undefined ? 'not_found' : 'precondition_failed')
}
