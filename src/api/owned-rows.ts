import { and, eq, inArray, type SQL } from 'drizzle-orm'
import type { OwnedColumns } from '../database/owned-tables.js'
import { Problem } from '../problems.js'
import { expectedVersions, isWeakly } from './etags.js'

/** The one row of this id, if it is the user's and its version is one that If-Match asks for. */
export function ownedRow(
  table: OwnedColumns,
  userId: number,
  id: number,
  ifMatch: string | undefined,
): SQL | undefined {
  const versions = expectedVersions(ifMatch)
  const isExpected = versions === undefined ? undefined : inArray(table.version, versions)
  return and(eq(table.id, id), eq(table.userId, userId), isExpected)
}

/** Why such a row was not touched, by what its owner finds there: another version, or nothing that is theirs. */
export function missingOrChanged([row]: { version: number }[], ifMatch: string | undefined): Problem {
  if (row === undefined) return new Problem('not_found')
  if (!isWeakly(ifMatch, row.version)) return new Problem('precondition_failed')
  const detail =
    'The tag in If-Match is weak, and If-Match compares strong tags alone. A proxy that compresses answers has put W/ ' +
    'before it: send the tag without W/.'
  return new Problem('precondition_failed', { detail })
}
