import { closeSync, existsSync, linkSync, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import { DatabaseError } from '../database.js'
import { loadDriver } from './driver.js'
import { reasonOf, removeDraft } from './files.js'

/** The tables whose rows have an owner, recognised by their columns. */
const OWNED = `select name from sqlite_schema where type = 'table' and (
  select count(*) from pragma_table_info(sqlite_schema.name) where name in ('id', 'user_id', 'version')) = 3 order by name`

interface Backup {
  bytes: number
  counts: Record<string, number>
  secretFile: string
}

/**
 * Copies a database that may be in use into a new file with mode 0600, and checks the copy.
 * @throws DatabaseError when the original is missing, the target exists, or the copy is damaged
 */
export async function backUp(path: string, target: string): Promise<Backup> {
  const original = resolve(path)
  if (!existsSync(original)) throw new DatabaseError(`There is no database at ${original}.`)
  const Sqlite = await loadDriver()
  const draft = `${resolve(target)}.${process.pid}`
  const source = new Sqlite(original, { readonly: true })
  try {
    // Created here, because SQLite would create a world-readable file.
    closeSync(openSync(draft, 'wx', 0o600))
    await source.backup(draft)
    const counts = examine(new Sqlite(draft), target)
    linkSync(draft, resolve(target))
    return { bytes: statSync(draft).size, counts, secretFile: `${original}.secret` }
  } catch (cause) {
    if (cause instanceof DatabaseError) throw cause
    throw new DatabaseError(`The backup ${target} cannot be created: ${reasonOf(cause, original)}`, { cause })
  } finally {
    source.close()
    removeDraft(draft)
  }
}

function examine(copy: BetterSqlite3.Database, target: string): Record<string, number> {
  try {
    // Leaves WAL mode: a WAL file beside the copy would be left behind when the copy is moved.
    copy.pragma('journal_mode = delete')
    const verdict = copy.pragma('integrity_check(1)', { simple: true })
    if (verdict !== 'ok')
      throw new DatabaseError(`The backup ${target} is damaged, and the database may be damaged too: ${verdict}`)
    const orphans = copy.pragma('foreign_key_check') as unknown[]
    if (orphans.length > 0)
      throw new DatabaseError(`The backup ${target} has ${orphans.length} rows whose parent row is missing.`)
    const owned = copy.prepare(OWNED).pluck().all() as string[]
    return Object.fromEntries(
      ['users', 'sessions', ...owned, 'events'].map((table) => [
        table,
        Number(copy.prepare(`select count(*) from ${table}`).pluck().get()),
      ]),
    )
  } finally {
    copy.close()
  }
}
