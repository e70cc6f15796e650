import { type AnyColumn, and, eq, getTableColumns, inArray, type SQL } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Tables } from './database.js'
import { expectedVersions, isWeakly } from './etags.js'
import { Problem } from './problems.js'

interface OwnedColumns {
  id: AnyColumn
  userId: AnyColumn
  version: AnyColumn
}
type OwnedTable = PgTable & Record<keyof OwnedColumns, PgColumn>
type OwnedName = { [Name in keyof Tables]: Tables[Name] extends OwnedColumns ? Name : never }[keyof Tables]

/** The tables of what people have: those with an id, a userId and a version. Quotas, sweeps and tags go by this list. */
export function ownedTables(tables: Tables): Record<OwnedName, OwnedTable> {
  const isOwned = ([, table]: [string, unknown]) => {
    const columns = getTableColumns(table as PgTable)
    return ['id', 'userId', 'version'].every((name) => name in columns)
  }
  return Object.fromEntries(Object.entries(tables).filter(isOwned)) as unknown as Record<OwnedName, OwnedTable>
}

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
