import { inArray } from 'drizzle-orm'
import { type Database, type Db, sole, type Tables } from '../database/database.js'
import type { Kind, MappedTable } from './columns.js'
import { idOf, type KeptIds, keptId } from './ids.js'
import { type ImportedRow, idOfRow, readOwnedRow, whyLeftOut } from './owned-row.js'
import type { Origin } from './plan.js'
import type { ImportRun } from './run.js'
import { bump, type Tally } from './tally.js'
import { FILED_AS, idsImported } from './target.js'

/** Rows per transaction. */
const ROWS_AT_ONCE = 500

/** Imports the rows that users own. */
export async function applyRows(
  { plan, stage, database, progress }: ImportRun,
  kind: Exclude<Kind, 'users'>,
  table: MappedTable,
  kept: KeptIds,
  tally: Tally,
): Promise<void> {
  let batch: ImportedRow[] = []
  const write = async () => {
    const { already, written, ownerless } = await insertRows(database, plan, kind, kept, batch)
    tally.ready += written
    tally.already += already
    for (let left = ownerless; left > 0; left -= 1) bump(tally.skipped, 'an owner who is left out')
    batch = []
    progress.show(kind, tally.read)
  }
  for await (const source of table.rows()) {
    tally.read += 1
    const row = readOwnedRow(source, kind, table, plan.now)
    const skip = whyLeftOut(row, stage)
    if (typeof row === 'string' || skip !== undefined) bump(tally.skipped, skip ?? '')
    else {
      const oldId = idOfRow(row, stage.takeRow(kind, row.oldId))
      if (oldId === undefined) bump(tally.skipped, 'an id that came before')
      else batch.push({ ...row, oldId })
    }
    if (batch.length === ROWS_AT_ONCE) await write()
  }
  await write()
}

async function insertRows(
  database: Database,
  origin: Origin,
  kind: Exclude<Kind, 'users'>,
  kept: KeptIds,
  batch: ImportedRow[],
): Promise<{ already: number; written: number; ownerless: number }> {
  if (batch.length === 0) return { already: 0, written: 0, ownerless: 0 }
  const { tables } = database
  return database.longTransaction(async (db) => {
    const here = await idsImported(
      { db, tables },
      origin,
      FILED_AS[kind],
      batch.map(({ oldId }) => oldId),
    )
    const owners = await idsImported({ db, tables }, origin, 'user', [
      ...new Set(batch.map(({ oldOwner }) => oldOwner)),
    ])
    const present = await presentUsers(db, tables, [...owners.values()])
    const rows = batch.filter(({ oldId }) => !here.has(oldId))
    const ready = rows.flatMap((row) => {
      const userId = owners.get(row.oldOwner)
      return userId === undefined || !present.has(userId) ? [] : [{ ...row, userId }]
    })
    await insertOwned(db, database, { kind, source: origin.source, kept }, ready)
    return { already: here.size, written: ready.length, ownerless: rows.length - ready.length }
  })
}

type OwnedRow = ImportedRow & { userId: number }

/**
 * One statement inserts all rows that keep their ids. The others are inserted one by one, because each insert returns
 * the new id.
 */
async function insertOwned(
  db: Db,
  { tables, now }: Database,
  { kind, source, kept }: { kind: Exclude<Kind, 'users'>; source: string; kept: KeptIds },
  rows: OwnedRow[],
): Promise<void> {
  const insert = async (some: OwnedRow[]): Promise<number[]> => {
    const common = ({ oldId, userId }: OwnedRow) => ({ ...idOf(oldId, kept), userId, createdAt: now, updatedAt: now })
    const made =
      kind === 'todos'
        ? await db
            .insert(tables.todos)
            .values(
              some.map((row) => ({ ...common(row), title: row.title, description: row.description, done: row.done })),
            )
            .returning({ id: tables.todos.id })
        : await db
            .insert(tables.tutorials)
            .values(some.map((row) => ({ ...common(row), name: row.title, description: row.description ?? '' })))
            .returning({ id: tables.tutorials.id })
    return made.map(({ id }) => id)
  }
  const ids: { oldId: string; newId: number }[] = []
  const keeping = rows.filter(({ oldId }) => keptId(oldId, kept) !== undefined)
  if (keeping.length > 0) await insert(keeping)
  for (const { oldId } of keeping) ids.push({ oldId, newId: Number(oldId) })
  for (const row of rows.filter(({ oldId }) => keptId(oldId, kept) === undefined)) {
    ids.push({ oldId: row.oldId, newId: sole(await insert([row])) })
  }
  if (ids.length > 0)
    await db.insert(tables.importedIds).values(ids.map((row) => ({ ...row, source, kind: FILED_AS[kind] })))
}

/** Those of these users that still exist: an imported account may have been deleted since. */
async function presentUsers(db: Db, { users }: Tables, ids: number[]): Promise<Set<number>> {
  const rows = await db.select({ id: users.id }).from(users).where(inArray(users.id, ids))
  return new Set(rows.map(({ id }) => id))
}
