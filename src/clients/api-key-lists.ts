import { and, desc, eq, gt, isNull, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../database/database.js'

/** A key as its owner sees it. */
export type ApiKeyRow = Pick<
  Database['tables']['apiKeys']['$inferSelect'],
  'id' | 'name' | 'scope' | 'createdAt' | 'expiresAt' | 'lastUsedAt'
>

/** Condition: the key is neither revoked nor expired. */
export function isLive({ tables: { apiKeys }, now }: Database): SQL | undefined {
  return and(isNull(apiKeys.revokedAt), gt(apiKeys.expiresAt, now))
}

/** The valid keys of a user, the newest first. */
export function prepareKeyList(database: Database) {
  const { db, tables } = database
  const { apiKeys } = tables
  return db
    .select({
      id: apiKeys.id,
      name: apiKeys.name,
      scope: apiKeys.scope,
      createdAt: apiKeys.createdAt,
      expiresAt: apiKeys.expiresAt,
      lastUsedAt: apiKeys.lastUsedAt,
    })
    .from(apiKeys)
    .where(and(eq(apiKeys.userId, sql.placeholder('userId')), isLive(database)))
    .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
    .prepare('list_api_keys')
}
