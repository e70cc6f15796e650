import { existsSync } from 'node:fs'
import { loadDriver } from '../database-sqlite-driver.js'
import { UsageError } from '../usage-error.js'
import { quoted, type Row, type Source } from './source.js'

/** A file of SQLite, as the tutorials leave it. @throws UsageError */
export async function openSqliteSource(path: string): Promise<Source> {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}`)
  const Sqlite = await loadDriver()
  const connection = new Sqlite(path, { readonly: true })
  try {
    connection.exec('begin')
    const names = connection.prepare("select name from sqlite_schema where type = 'table'").pluck().all() as string[]
    const columnsOf = connection.prepare('select name from pragma_table_info(?)').pluck()
    return {
      tables: names.map((name) => ({
        name,
        columns: columnsOf.all(name) as string[],
        async *rows() {
          yield* connection.prepare(`select * from ${quoted(name)} order by 1`).iterate() as Iterable<Row>
        },
      })),
      async close() {
        connection.close()
      },
    }
  } catch (error) {
    connection.close()
    throw new UsageError(`${path} cannot be read as SQLite: ${(error as Error).message}`)
  }
}
