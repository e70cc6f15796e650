import { and, asc, count, eq, getTableColumns, getTableName, is, ne, type SQL, sql } from 'drizzle-orm'
import { alias, getTableConfig, type PgColumn, type PgTable } from 'drizzle-orm/pg-core'
import { SQLiteTable, getTableConfig as sqliteConfigOf } from 'drizzle-orm/sqlite-core'
import { type Database, DatabaseError, type Db, sole, type Tables } from '../database/database.js'
import { print, printError, printJson } from '../terminal.js'
import { UsageError } from '../usage-error.js'
import { databaseAddressOf, databaseName, openForCommand } from './database-address.js'
import { rowPages } from './row-pages.js'

export const HELP = `Usage: latchkey copy --from <address> --to <address> [--json]

Copies a whole installation into an empty database, of the same engine or the other: accounts with their ids and
passwords, sessions, signing keys, rows and the audit log. The source is only read, as a snapshot: stop the service first, or
anything written meanwhile is missing in the copy.

  --from <address>   sqlite:<path>, or postgres://...
  --to <address>     likewise; the database must be empty
  --json             print the number of copied rows of each table as JSON

An address may also be the name of an environment variable that holds it (or NAME, if NAME_FILE names a file that holds it), so
that no password appears in the list of processes:

  latchkey copy --from sqlite:./data/latchkey.db --to DATABASE_URL

The secret is not copied. Start the service on the copy with the same SECRET_KEY and PUBLIC_URL.

Exit codes: 0 copied; 1 not copied, with the reason, and the target is unchanged; 64 wrong usage; 78 wrong settings.
`

export const options = { from: { type: 'string' }, to: { type: 'string' }, json: { type: 'boolean' } } as const

const PAIRS_SHOWN = 10
const NOT_EMPTY =
  'Nothing was copied. Choose a new file or a new PostgreSQL database for --to, or delete the target first if nothing in it ' +
  'is needed: a service that only started on it has made its keys there.'
/** A count of many rows takes long, and meanwhile the other database waits. */
const STATEMENT_LIMIT_MS = 10 * 60_000

/** A table to copy. Rows are copied in the order of its key. */
interface TableCopy {
  name: string
  from: PgTable
  to: PgTable
  key: (readonly [string, PgColumn])[]
  /** Whether the database generates the keys. */
  isNumbered: boolean
}

export async function run({ from, to, json }: { from?: string; to?: string; json?: boolean }): Promise<void> {
  if (from === undefined || to === undefined)
    throw new UsageError('missing option --from or --to; see latchkey copy --help')
  const [fromUrl, toUrl] = [databaseAddressOf('--from', from), databaseAddressOf('--to', to)]
  const source = await openForCommand(fromUrl, { migrate: false, addressName: '--from' })
  try {
    const target = await openForCommand(toUrl, { migrate: 'new', addressName: '--to' })
    try {
      const rows = await copy(source, target)
      if (json) {
        printJson({
          from: databaseName(fromUrl),
          to: databaseName(toUrl),
          rows,
          secret_file: source.secretFile ?? null,
        })
        return
      }
    } finally {
      await target.close()
    }
    const secret = source.secretFile && ` (without SECRET_KEY, the content of ${source.secretFile})`
    print(`Copied. Start the service on the copy with the same SECRET_KEY${secret ?? ''} and PUBLIC_URL.`)
  } finally {
    await source.close()
  }
}

/** Copies all or nothing: one transaction in the target, from one snapshot of the source. */
async function copy(source: Database, target: Database): Promise<Record<string, number>> {
  const copied: Record<string, number> = {}
  const tables = tableCopiesOf(source.tables, target.tables)
  await source.snapshot(async (from) => {
    await assertNoSharedNames(from, source.tables)
    await target.longTransaction(async (to) => {
      for (const table of tables) {
        if ((await countRows(to, table.to)) > 0) {
          throw new DatabaseError(`The target is not empty: its table ${table.name} holds rows. ${NOT_EMPTY}`)
        }
      }
      for (const table of tables) copied[table.name] = await copyRows(from, to, table)
      for (const { name } of tables.filter(({ isNumbered }) => isNumbered)) {
        await target.setLastId(to, name, await source.lastId(from, name))
      }
    }, STATEMENT_LIMIT_MS)
  }, STATEMENT_LIMIT_MS)
  return copied
}

/** An older installation may have a user name that equals another user's address. The target would refuse such rows. */
async function assertNoSharedNames(from: Db, { users }: Tables): Promise<void> {
  const other = alias(users, 'other')
  const pairs = await from
    .select({ id: users.id, otherId: other.id, name: other.email })
    .from(users)
    .innerJoin(other, and(eq(other.emailKey, users.usernameKey), ne(other.id, users.id)))
    .orderBy(asc(users.id))
    .limit(PAIRS_SHOWN)
  if (pairs.length === 0) return
  const described = pairs.map(({ id, otherId, name }) => `${name}: user name of id ${id}, address of id ${otherId}`)
  throw new DatabaseError(
    `Some user names are e-mail addresses of other users (${described.join('; ')}). Nothing was copied. In the source, one of each two users must take another name (PATCH /v1/me), or an admin must delete an unused account (DELETE /v1/users/{id}).`,
  )
}

function tableCopiesOf(from: Tables, to: Tables): TableCopy[] {
  const { users, ...others } = from
  // Users first: the other tables reference them.
  return Object.entries({ users, ...others }).map(([name, table]) => {
    const columns = Object.entries(getTableColumns(table as PgTable))
    const [primaryKey] = primaryKeysOf(table as PgTable)
    // A composite key is declared on the table and has an order; a key of one column is declared on the column.
    const key = primaryKey
      ? primaryKey.columns.flatMap((column) => columns.filter(([, own]) => own.name === column.name))
      : columns.filter(([, column]) => column.primary)
    if (key.length === 0) throw new Error(`The table ${name} has no key that a copy could go by`)
    const isNumbered = key.at(-1)?.[1].dataType === 'number'
    return { name: getTableName(table), from: table, to: to[name as keyof Tables], key, isNumbered }
  })
}

/** The composite keys of a table of either engine. */
function primaryKeysOf(table: PgTable): { columns: PgColumn[] }[] {
  if (!is(table, SQLiteTable)) return getTableConfig(table).primaryKeys
  return sqliteConfigOf(table).primaryKeys as unknown as { columns: PgColumn[] }[]
}

/** Resolves to the number of copied rows. */
async function copyRows(from: Db, to: Db, table: TableCopy): Promise<number> {
  const columns = table.key.map(([, column]) => column)
  const after = (count: number, last: Record<string, unknown> | undefined) =>
    from
      .select()
      .from(table.from)
      .where(last && isAfter(table.key, last))
      .orderBy(...columns.map((column) => asc(column)))
      .limit(count)
  let copied = 0
  for await (const page of rowPages(after)) {
    await to.insert(table.to).values(page)
    copied += page.length
  }
  const [expected, found] = [await countRows(from, table.from), await countRows(to, table.to)]
  if (copied !== expected || found !== expected) {
    throw new DatabaseError(`${table.name}: ${found} of ${expected} rows arrived. Nothing was copied.`)
  }
  printError(`${table.name}: ${copied} rows`)
  return copied
}

function isAfter(key: TableCopy['key'], row: Record<string, unknown>): SQL {
  const columns = key.map(([, column]) => sql`${column}`)
  const values = key.map(([name, column]) => sql.param(row[name], column))
  return sql`(${sql.join(columns, sql`, `)}) > (${sql.join(values, sql`, `)})`
}

async function countRows(db: Db, table: PgTable): Promise<number> {
  return Number(sole(await db.select({ count: count() }).from(table)).count)
}
