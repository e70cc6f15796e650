import { isPostgres, sqlitePath } from '../config/database-url.js'
import type { Database, OpenOptions } from './database.js'

/**
 * Opens the database at `url` (`sqlite:<path>` or `postgres://...`) and migrates it if allowed.
 * @throws DatabaseError when the database is damaged, unreachable, too new, of another application, or not migrated
 */
export async function openDatabase(url: string, options: OpenOptions): Promise<Database> {
  if (isPostgres(url)) {
    const { openPostgres } = await import('./postgres/open.js')
    return openPostgres(url, options)
  }
  const { openSqlite } = await import('./sqlite/open.js')
  return openSqlite(sqlitePath(url), options)
}
