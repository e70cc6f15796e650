import { eq } from 'drizzle-orm'
import { type Database, type Db, sole, type Tables } from '../database/database.js'
import type { Kind } from './columns.js'
import type { Stage } from './stage.js'

/** Higher ids are replaced: the ids of later accounts must stay within what JavaScript and JSON represent exactly. */
const HIGHEST_ID_KEPT = 1e12

/** The range of source ids that are kept: above `after`, up to `until`. */
export type KeptIds = Pick<Tables['imports']['$inferSelect'], 'after' | 'until'>

/**
 * Decides which ids of the source are kept: those that are free here. An id that was ever used here is never reused,
 * because tokens of its first owner may still be valid. Accounts that register meanwhile get ids above all imported
 * ones. Later runs of an import use the decision of the first.
 */
export async function reserveIds(
  db: Db,
  database: Database,
  source: string,
  kind: Kind,
  stage: Stage,
): Promise<KeptIds> {
  const { imports } = database.tables
  const key = `${source}/${kind}`
  const [before] = await db.select().from(imports).where(eq(imports.key, key))
  const last = await database.lastId(db, kind)
  // Only if no account was created since: otherwise ids in between may be taken.
  const mayGrow = before === undefined || last === before.until
  if (!mayGrow) return before
  const after = before?.after ?? last
  const until = Math.max(last, stage.highestId(kind, HIGHEST_ID_KEPT))
  if (until > last) await database.setLastId(db, kind, until)
  const row = { key, after, until, createdAt: database.now }
  return sole(
    await db.insert(imports).values(row).onConflictDoUpdate({ target: imports.key, set: { until } }).returning(),
  )
}

/** The id of an imported row, if it keeps its old id. */
export function keptId(oldId: string, { after, until }: KeptIds): number | undefined {
  const id = /^[1-9]\d{0,15}$/.test(oldId) ? Number(oldId) : 0
  return id > after && id <= until ? id : undefined
}

/** The id column for an insert; empty if the database generates the id. */
export function idOf(oldId: string, kept: KeptIds): { id?: number } {
  const id = keptId(oldId, kept)
  return id === undefined ? {} : { id }
}
