import { setTimeout as sleep } from 'node:timers/promises'
import { and, getTableName, inArray, type SQL } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { prunes } from '../telemetry/channels.js'
import type { Database } from './database.js'

/** Rows deleted by one statement: SQLite does nothing else meanwhile, and PostgreSQL ends a statement after three seconds. */
const BATCH = 1_000
const PAUSE_MS = 25

interface Deletion {
  table: PgTable
  /** The key of a row. */
  key: PgColumn
  where: SQL | undefined
  /** Stops the deletion between two batches. */
  signal?: AbortSignal | undefined
}

/** Deletes any number of rows, and lets other statements run between the batches. The next call deletes what is left. */
export async function deleteInBatches({ db }: Database, { table, key, where, signal }: Deletion): Promise<void> {
  const some = db.select({ key }).from(table).where(where).limit(BATCH)
  while (!signal?.aborted) {
    const gone = await db
      .delete(table)
      .where(and(where, inArray(key, some)))
      .returning({ key })
    prunes.publish({ table: getTableName(table), rows: gone.length })
    if (gone.length < BATCH) return
    await sleep(PAUSE_MS)
  }
}
