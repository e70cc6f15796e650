import { type SQL, sql } from 'drizzle-orm'
import { type Change, type ChangeRecord, type Database, type Db, type Prepared, within } from '../database.js'

/** Runs a change and its record as two statements of one transaction. */
export function recordedOn(db: Db, transaction: Database['transaction']): Database['prepareRecorded'] {
  return <Row extends object>(
    name: string,
    change: Change<Row>,
    { into, values }: ChangeRecord<Row>,
  ): Prepared<Row> => {
    const update = change.prepare(name)
    const { changed, fields } = asParameters<Row>()
    const insert = db.insert(into).values(values(changed)).prepare(`record_${name}`)
    return {
      execute: (parameters) =>
        transaction(async (db) => {
          const rows = await within(db, update).execute(parameters)
          for (const row of rows) {
            const record = { ...parameters }
            for (const field of fields) record[nameOf(field)] = row[field]
            await within(db, insert).execute(record)
          }
          return rows
        }),
    }
  }
}

/** Exposes each field of a changed row as a named parameter, and collects the fields that are used. */
function asParameters<Row extends object>() {
  const fields = new Set<keyof Row>()
  const changed = new Proxy({} as { readonly [Field in keyof Row]: SQL }, {
    get(_, field) {
      fields.add(field as keyof Row)
      return sql`${sql.placeholder(nameOf(field))}`
    },
  })
  return { changed, fields }
}

function nameOf(field: PropertyKey): string {
  return `changed.${String(field)}`
}
