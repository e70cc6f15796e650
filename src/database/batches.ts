import { setTimeout as sleep } from 'node:timers/promises'
import { and, getTableName, inArray, type SQL } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { prunes } from '../telemetry/channels.js'
import type { Database } from './database.js'

/** Rows per statement: SQLite blocks the process meanwhile, and PostgreSQL cancels a statement after three seconds. */
const BATCH = 1_000
const PAUSE_MS = 25

interface Deletion {
  table: PgTable
  /** The primary key. */
  key: PgColumn
  where: SQL | undefined
  /** Stops the deletion between two batches. */
  signal?: AbortSignal | undefined
}

/**
 * Deletes all matching rows in batches, so that other statements run in between. After an abort, the next call deletes
 * the rest.
 */
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
