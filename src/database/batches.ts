import { setTimeout as sleep } from 'node:timers/promises'
import { and, getTableName, inArray, type SQL } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { prunes } from '../telemetry/channels.js'
import type { Database } from './database.js'

/** So many rows go in one statement: SQLite does nothing else meanwhile, and PostgreSQL gives a statement three seconds. */
const BATCH = 1_000
const PAUSE_MS = 25

interface Deletion {
  table: PgTable
  /** What tells its rows apart. */
  key: PgColumn
  where: SQL | undefined
  /** Ends it between two batches. */
  signal?: AbortSignal | undefined
}

/** Deletes rows, however many there are, while others go on. What is left when the process ends is for the next time. */
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
