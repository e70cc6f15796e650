import { isPostgres, sqlitePath } from '../config/database-url.js'
import type { Database, OpenOptions } from './database.js'

/**
 * Opens the database that `url` names (`sqlite:<path>` or `postgres://...`), migrated and ready.
 * @throws DatabaseError when it is damaged, out of reach, of another application, too new, or old and may not be migrated.
 */
export async function openDatabase(url: string, options: OpenOptions): Promise<Database> {
  if (isPostgres(url)) {
    const { openPostgres } = await import('./postgres/open.js')
    return openPostgres(url, options)
  }
  const { openSqlite } = await import('./sqlite/open.js')
  return openSqlite(sqlitePath(url), options)
}
