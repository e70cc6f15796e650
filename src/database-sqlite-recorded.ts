import { type SQL, sql } from 'drizzle-orm'
import { type Change, type ChangeRecord, type Database, type Db, type Prepared, within } from './database.js'

/** A change and its record as two statements of one transaction. */
export function recordedOn(db: Db, transaction: Database['transaction']): Database['prepareRecorded'] {
  return <Row extends object>(
    name: string,
    change: Change<Row>,
    { into, values }: ChangeRecord<Row>,
  ): Prepared<Row> => {
    const update = change.prepare(name)
    const insert = db
      .insert(into)
      .values(values(PARAMETERS as { [Field in keyof Row]: SQL }))
      .prepare(`record_${name}`)
    return {
      execute: (parameters) =>
        transaction(async (db) => {
          const rows = await within(db, update).execute(parameters)
          for (const row of rows) await within(db, insert).execute({ ...parameters, ...named(row) })
          return rows
        }),
    }
  }
}

/** Each field of a changed row as a parameter, whose name is no other parameter's. */
const PARAMETERS = new Proxy({}, { get: (_, field) => sql`${sql.placeholder(nameOf(String(field)))}` })

function named(row: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([field, value]) => [nameOf(field), value]))
}

function nameOf(field: string): string {
  return `changed.${field}`
}
