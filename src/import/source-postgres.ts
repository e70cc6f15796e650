import type pg from 'pg'
import { CommandError } from '../command-error.js'
import { assertReadable } from '../database/postgres/address.js'
import { Client } from '../database/postgres/client.js'
import { watched } from '../database/postgres/watched.js'
import { notInEncoding, UTF_8 } from './encodings.js'
import { binary, qualified, quoted, type Row, type Source, type SourceTable } from './source.js'

const CONNECT_TIMEOUT_MS = 5_000
const ROWS_AT_ONCE = 1_000
const BYTEA = 17
const BPCHAR = 1042

/** Readable tables (also partitioned and foreign ones), views and materialized views of every schema. */
const RELATIONS = `
  select n.nspname::text as schema, c.relname::text as name,
    array_agg(a.attname::text order by a.attnum) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition
    and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and has_schema_privilege(n.oid, 'usage') and has_column_privilege(c.oid, a.attnum, 'select')
  group by 1, 2 order by 1, 2`
/**
 * Makes the text of values independent of the server's settings, and disables time-outs, because hashing takes long.
 */
const SETTINGS = `set local time zone 'UTC'; set local datestyle = 'ISO, YMD'; set local bytea_output = 'hex';
  set local statement_timeout = 0; set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0`

type Query = <Fields extends pg.QueryResultRow>(statement: string | pg.QueryConfig) => Promise<pg.QueryResult<Fields>>

/** A PostgreSQL database. @throws CommandError, DatabaseError */
export async function openPostgresSource(url: string): Promise<Source> {
  assertReadable(url, 'the source')
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  const query: Query = (statement) => watched(client, url, () => client.query(statement))
  // Without a listener, a connection that the server closes would crash this process. The running statement fails
  // anyway.
  client.on('error', () => {})
  try {
    await client.connect()
    await query('begin isolation level repeatable read read only')
    await query(SETTINGS)
    const { rows: relations } = await query<Omit<SourceTable, 'rows'>>(RELATIONS)
    return {
      tables: relations.map((table) => ({
        ...table,
        rows: (columns = table.columns) => readTable(query, table, columns),
      })),
      close: () => client.end(),
    }
  } catch (error) {
    await client.end().catch(() => {})
    throw unreadable(error)
  }
}

async function* readTable(query: Query, table: Omit<SourceTable, 'rows'>, columns: string[]): AsyncGenerator<Row> {
  const {
    schema = '',
    name,
    columns: [first = ''],
  } = table
  const select = `select ${columns.map(quoted).join(', ')} from ${quoted(schema)}.${quoted(name)} order by ${quoted(first)}`
  let number = 0
  const where = () => `table ${qualified(table)}, row ${number},`
  const types = { getTypeParser: (oid: number) => parserOf(oid, where) } as pg.CustomTypesConfig
  try {
    await query(`declare import no scroll cursor for ${select}`)
    for (;;) {
      const { rows } = await query<Row>({ text: `fetch ${ROWS_AT_ONCE} from import`, types })
      for (const row of rows) {
        number += 1
        yield row
      }
      if (rows.length < ROWS_AT_ONCE) break
    }
  } catch (error) {
    throw error instanceof CommandError ? error : unreadable(error)
  } finally {
    // A failed statement has already aborted the transaction and closed the cursor.
    await query('close import').catch(() => {})
  }
}

/** Keeps every type as the server's text: the driver's parsers would round numbers and read times in the local zone. */
function parserOf(oid: number, where: () => string): (text: string) => unknown {
  // Trailing blanks of a character(n) are padding.
  if (oid === BPCHAR) return (text) => text.replace(/ +$/, '')
  if (oid !== BYTEA) return (text) => text
  return (text) => binary(Buffer.from(text.slice(2), 'hex'), (bytes) => decodeText(bytes, where))
}

function decodeText(bytes: Buffer, where: () => string): string {
  try {
    return UTF_8.decode(bytes)
  } catch {
    throw notInEncoding(where(), UTF_8)
  }
}

function unreadable(error: unknown): CommandError {
  return new CommandError(`the source cannot be read: ${(error as Error).message}`)
}
