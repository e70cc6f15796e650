import { and, eq, like } from 'drizzle-orm'
import type { Config } from '../config/config.js'
import type { Database, Db } from '../database/database.js'
import { type DerivedKeys, openSecret, pseudonym } from '../tokens/secret.js'

/** The prefix of a deleted user's id, which distinguishes it from an id of a source. */
const ERASED = 'erased:'

/**
 * Replaces the id that a deleted user had in the source of an import by an HMAC, because the id may be an e-mail
 * address, and deletes the name, within the transaction of `db`. A later import still recognises the user.
 */
export async function eraseImportedIds(
  { tables: { importedIds } }: Database,
  db: Db,
  { userId, keys: [key] }: { userId: number; keys: DerivedKeys },
): Promise<void> {
  const rows = await db
    .select({ id: importedIds.id, source: importedIds.source, oldId: importedIds.oldId })
    .from(importedIds)
    .where(and(eq(importedIds.kind, 'user'), eq(importedIds.newId, userId)))
  for (const { id, source, oldId } of rows) {
    await db
      .update(importedIds)
      .set({ oldId: erased(key, source, oldId), oldName: null })
      .where(eq(importedIds.id, id))
  }
}

/** The forms in which a user's id may be stored: as in the source, and as an HMAC after the user was deleted. */
export function keptForms(keys: readonly Buffer[], source: string, oldId: string): string[] {
  return [oldId, ...keys.map((key) => erased(key, source, oldId))]
}

/**
 * The keys for `keptForms`; empty if no user of this source was deleted, because an import into a new database has no
 * secret yet.
 * @throws DatabaseError, ConfigError as `openSecret`
 */
export async function erasureKeys(config: Config, database: Database, source: string): Promise<readonly Buffer[]> {
  const { importedIds } = database.tables
  const isErased = and(
    eq(importedIds.source, source),
    eq(importedIds.kind, 'user'),
    like(importedIds.oldId, `${ERASED}%`),
  )
  const [found] = await database.db.select({ id: importedIds.id }).from(importedIds).where(isErased).limit(1)
  return found === undefined ? [] : (await openSecret(config, database)).derive('imported-id')
}

function erased(key: Buffer, source: string, oldId: string): string {
  return `${ERASED}${pseudonym(key, source, oldId)}`
}
