import { type AnyColumn, getTableColumns } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Tables } from './database.js'

/** The columns of a table whose rows have an owner. */
export interface OwnedColumns {
  id: AnyColumn
  userId: AnyColumn
  version: AnyColumn
}
type OwnedTable = PgTable & Record<keyof OwnedColumns, PgColumn>
type OwnedName = { [Name in keyof Tables]: Tables[Name] extends OwnedColumns ? Name : never }[keyof Tables]

/** The tables whose rows have an owner: an id, a userId and a version. Quotas, sweeps and tags use this list. */
export function ownedTables(tables: Tables): Record<OwnedName, OwnedTable> {
  const isOwned = ([, table]: [string, unknown]) => {
    const columns = getTableColumns(table as PgTable)
    return ['id', 'userId', 'version'].every((name) => name in columns)
  }
  return Object.fromEntries(Object.entries(tables).filter(isOwned)) as unknown as Record<OwnedName, OwnedTable>
}
