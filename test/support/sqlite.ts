import { cp, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import type { SQL } from 'drizzle-orm'
import type { Test } from 'tap'
import { loadDriver } from '../../src/database/sqlite/driver.js'
import type { Service } from '../helper.js'

export type Connection = BetterSqlite3.Database

/** A second connection to a SQLite file, as another process would open it, by the service's own driver. */
export async function openFile(t: Test, file: string): Promise<Connection> {
  const Sqlite = await loadDriver()
  const connection = new Sqlite(file)
  t.teardown(() => connection.close())
  return connection
}

interface Faces {
  all?(statement: SQL): Promise<unknown[][]>
  execute(statement: SQL): Promise<{ rows: object[] }>
}

/** Runs a statement on the service's own connection, on either engine. Returns its rows. */
export async function ask({ app }: Service, statement: SQL): Promise<unknown[][]> {
  const db = app.database.db as unknown as Faces
  return db.all?.(statement) ?? (await db.execute(statement)).rows.map(Object.values)
}

/** The SQLite file of a service. */
export function fileOf({ app }: Service): string {
  return app.config.DATABASE_URL.slice('sqlite:'.length)
}

/**
 * Copies a SQLite file and its write-ahead log to another folder. The copy of a running service is like the state after
 * a power failure.
 */
export async function copyDatabase(file: string, folder: string): Promise<string> {
  for (const name of await readdir(dirname(file))) {
    // The -shm file is shared memory, which does not outlive the processes.
    if (!name.endsWith('-shm')) await cp(join(dirname(file), name), join(folder, name))
  }
  return join(folder, file.slice(dirname(file).length + 1))
}
