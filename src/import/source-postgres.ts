import pg from 'pg'
import { UsageError } from '../usage-error.js'
import { quoted, type Row, type Source } from './source.js'

const CONNECT_TIMEOUT_MS = 5_000
const ROWS_AT_ONCE = 1_000

/** A database of PostgreSQL. @throws UsageError */
export async function openPostgresSource(url: string): Promise<Source> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  // Without a listener a connection that the server ends would end this process too; its statement fails anyway.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('begin isolation level repeatable read read only')
    const { rows } = await client.query<{ name: string; columns: string[] }>(
      `select table_name as name, array_agg(column_name::text order by ordinal_position) as columns
       from information_schema.columns where table_schema = any (current_schemas(false)) group by table_name`,
    )
    return {
      tables: rows.map(({ name, columns }) => ({ name, columns, rows: () => readTable(client, name) })),
      close: () => client.end(),
    }
  } catch (error) {
    await client.end().catch(() => {})
    throw new UsageError(`the source cannot be read: ${(error as Error).message}`)
  }
}

async function* readTable(client: pg.Client, table: string): AsyncGenerator<Row> {
  await client.query(`declare import no scroll cursor for select * from ${quoted(table)} order by 1`)
  try {
    for (;;) {
      const { rows } = await client.query<Row>(`fetch ${ROWS_AT_ONCE} from import`)
      yield* rows
      if (rows.length < ROWS_AT_ONCE) return
    }
  } finally {
    await client.query('close import')
  }
}
