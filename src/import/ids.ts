import { eq } from 'drizzle-orm'
import { type Database, type Db, sole, type Tables } from '../database/database.js'
import type { Kind } from './columns.js'
import type { Stage } from './stage.js'

/** Higher ids are given new ones: a number that JavaScript and JSON keep must be left for those to come. */
const HIGHEST_ID_KEPT = 1e12

/** The ids of a source that are kept: above `after`, up to `until`. */
export type KeptIds = Pick<Tables['imports']['$inferSelect'], 'after' | 'until'>

/**
 * Keeps the old ids for those who come, where they are free: an id that was ever given out here stays with whom it was
 * given to, whose tokens may still be about. Whoever registers meanwhile gets one above them all. The first run of an
 * import decides, and those that take it up again go on with what it decided.
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
  // Nobody has come since, or the ids in between may be somebody's.
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

/** The id of a row here, where it keeps its old one. */
export function keptId(oldId: string, { after, until }: KeptIds): number | undefined {
  const id = /^[1-9]\d{0,15}$/.test(oldId) ? Number(oldId) : 0
  return id > after && id <= until ? id : undefined
}

/** The id to insert a row with; none where the database gives out a new one. */
export function idOf(oldId: string, kept: KeptIds): { id?: number } {
  const id = keptId(oldId, kept)
  return id === undefined ? {} : { id }
}
