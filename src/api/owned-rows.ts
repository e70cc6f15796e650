import { and, eq, inArray, type SQL } from 'drizzle-orm'
import type { OwnedColumns } from '../database/owned-tables.js'
import { Problem } from '../problems.js'
import { expectedVersions, isWeakly } from './etags.js'

/** The row of this id, if it belongs to the user and its version matches If-Match. */
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

/** The problem for a row that was not changed: there is no such row of the user, or its version differs. */
export function missingOrChanged([row]: { version: number }[], ifMatch: string | undefined): Problem {
  if (row === undefined) return new Problem('not_found')
  if (!isWeakly(ifMatch, row.version)) return new Problem('precondition_failed')
  const detail =
    'The tag in If-Match is weak, and If-Match compares strong tags alone. A proxy that compresses answers has put W/ ' +
    'before it: send the tag without W/.'
  return new Problem('precondition_failed', { detail })
}
