import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../package.js'
import { DatabaseError } from './database.js'

export interface Migration {
  name: string
  hash: string
  statements: string[]
}

/** The migrations that drizzle-kit wrote for an engine, oldest first. */
export function readMigrations(engine: 'sqlite' | 'pg'): Migration[] {
  const folder = join(packageRoot, 'drizzle', engine)
  const journal: { entries: { tag: string }[] } = JSON.parse(
    readFileSync(join(folder, 'meta', '_journal.json'), 'utf8'),
  )
  return journal.entries.map(({ tag }) => {
    const sql = readFileSync(join(folder, `${tag}.sql`), 'utf8')
    return {
      name: tag,
      hash: createHash('sha256').update(sql).digest('hex'),
      // drizzle-kit names the schema in foreign keys only. Without the schema, the search path decides.
      statements: sql.replaceAll('"public".', '').split('--> statement-breakpoint'),
    }
  })
}

/**
 * The migrations that a database with the migrations `applied` still needs, oldest first. Drizzle's own migrator
 * compares only the newest date, and so misses an edited or an older file.
 * @throws DatabaseError when the database has a migration that this version does not know
 */
export function pendingMigrations(all: Migration[], applied: { name: string; hash: string }[]): Migration[] {
  for (const [index, { name, hash }] of applied.entries()) {
    if (all[index] === undefined) {
      throw new DatabaseError(
        `The database is newer than this version of Latchkey: migration ${name} was applied to it. Use a newer version.`,
      )
    }
    if (all[index].hash !== hash) {
      throw new DatabaseError(
        `The migration ${name} of the database differs from that of this version of Latchkey: was a file edited?`,
      )
    }
  }
  return all.slice(applied.length)
}
