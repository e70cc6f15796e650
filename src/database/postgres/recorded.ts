import { getTableColumns, sql } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { TypedQueryBuilder } from 'drizzle-orm/query-builders/query-builder'
import type { Change, ChangeRecord, Database, Db, Prepared } from '../database.js'

const COMMA = sql`, `

/** A change and its record as one statement: `with changed as (update ...), recorded as (insert ...) select ... from changed`. */
export function recordedOn(db: Db): Database['prepareRecorded'] {
  return <Row extends object>(name: string, change: Change<Row>, { into, values }: ChangeRecord<Row>) => {
    const changed = db.$with('changed').as(change as unknown as TypedQueryBuilder<Record<string, PgColumn>>)
    const columns = getTableColumns(into)
    const record = Object.entries(values(changed as unknown as Parameters<typeof values>[0]))
    const names = record.map(([key]) => sql.identifier(columns[key]?.name ?? key))
    const expressions = record.map(([, value]) => value)
    const insert = sql`insert into ${into} (${sql.join(names, COMMA)}) select ${sql.join(expressions, COMMA)} from ${changed}`
    const recorded = db.$with('recorded', {}).as(insert)
    return db.with(changed, recorded).select().from(changed).prepare(name) as unknown as Prepared<Row>
  }
}
