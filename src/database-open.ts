import type { Database, OpenOptions } from './database.js'
import { isPostgres, sqlitePath } from './database-url.js'

/**
 * Opens the database that `url` names (`sqlite:<path>` or `postgres://...`), migrated and ready.
 * @throws DatabaseError when it is damaged, out of reach, of another application, too new, or old and may not be migrated.
 */
export async function openDatabase(url: string, options: OpenOptions): Promise<Database> {
  if (isPostgres(url)) {
    const { openPostgres } = await import('./database-postgres.js')
    return openPostgres(url, options)
  }
  const { openSqlite } = await import('./database-sqlite.js')
  return openSqlite(sqlitePath(url), options)
}
