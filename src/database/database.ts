import type { SQL, SQLWrapper } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT, PgTable } from 'drizzle-orm/pg-core'
import type * as pgSchema from '../../drizzle/schema.pg.js'
import type * as sqliteSchema from '../../drizzle/schema.sqlite.js'
import { Problem } from '../problems.js'

/** Query code is written once, against the types of PostgreSQL; each engine casts itself to them. */
export type Tables = typeof pgSchema
export type Db = PgDatabase<PgQueryResultHKT, Tables>

/** A prepared statement: it takes its parameters by name, and resolves to the rows that it returns. */
export interface Prepared<Row> {
  execute(parameters: Record<string, unknown>): PromiseLike<Row[]>
}

/** An update or delete with RETURNING, in which each expression has an alias. */
export interface Change<Row> extends SQLWrapper {
  prepare(name: string): Prepared<Row>
}

/** What is inserted for each row that a change returned. */
export interface ChangeRecord<Row> {
  into: PgTable
  /** The values by their columns. `changed` is the row as expressions: columns, or parameters. */
  values(changed: { readonly [Field in keyof Row]: SQL }): Record<string, SQL>
}

export interface Database {
  readonly db: Db
  readonly tables: Tables
  /** The database's clock in milliseconds since 1970, as an expression. Processes compare times by it alone. */
  readonly now: SQL<number>
  /**
   * `FOR SHARE` for the rows an `insert ... select` reads, so that they cannot change before the insert is visible. Empty on
   * SQLite, which has one writer.
   */
  readonly forShare: SQL
  /** `FOR UPDATE` for the rows that a transaction reads before it decides. Empty on SQLite. */
  readonly forUpdate: SQL
  /** `FOR UPDATE SKIP LOCKED` for rows of which several processes take some each. Empty on SQLite. */
  readonly forUpdateSkipLocked: SQL
  /**
   * Runs `work` in a transaction: all of its statements or none. They go through the `db` that it is given (`within` does so
   * for prepared ones), which is closed afterwards, and `work` may wait for nothing else: on SQLite it shares its commit with
   * everything that arrived in the same tick, and keeps everybody from writing meanwhile. It may be run again, so what it does
   * in memory waits until the data are on disk (`afterCommit`). A statement that fails fails the transaction, also where
   * its error is caught.
   */
  transaction<Result>(work: (db: Db) => Promise<Result>): Promise<Result>
  /**
   * Prepares a change with its record: both are written, or neither. One statement on PostgreSQL, where a transaction costs
   * three round trips more; a transaction on SQLite, which cannot write in a `with`.
   */
  prepareRecorded<Row extends object>(name: string, change: Change<Row>, record: ChangeRecord<Row>): Prepared<Row>
  /**
   * Runs `work` in a transaction that may take long and wait for other things, on a connection of its own; of several, also in
   * other processes, one at a time. For `latchkey import` and `copy`: on SQLite nobody else can write meanwhile.
   */
  longTransaction<Result>(work: (db: Db) => Promise<Result>): Promise<Result>
  /** Runs `work`, which only reads, on the data as they are at one moment, on a connection of its own. */
  snapshot<Result>(work: (db: Db) => Promise<Result>): Promise<Result>
  /** The last id that a table has given out, also to rows that are gone. */
  lastId(db: Db, table: string): Promise<number>
  /** Sets the last id of a table: the next row gets a higher one. */
  setLastId(db: Db, table: string, id: number): Promise<void>
  /** Resolves when the database answers. @throws Problem database_unavailable */
  ping(): Promise<void>
  /** A condition that the operator should correct before the service fails; undefined when all is well. */
  warning(): string | undefined
  /** The file beside the database in which a secret may be kept; undefined on a database server. */
  readonly secretFile: string | undefined
  close(): Promise<void>
}

export interface OpenOptions {
  /** Whether to apply pending migrations. Without them, a database that needs some is refused. */
  migrate: boolean
  /** How many connections to a server there may be. */
  poolSize?: number
  /** How long to wait for a server that does not answer. */
  patienceMs?: number
  /** How long to wait for the write lock of SQLite, in place of what a request waits. */
  lockMs?: number
  /** Called with each sentence that the operator should read while the database is opened. */
  onNotice?: (notice: string) => void
}

/** A database that cannot be used as it is. The message says why and what to do. */
export class DatabaseError extends Error {}

/** A prepared statement, for use within the transaction of `db`. It stays prepared. */
export function within<Statement extends object>(db: Db, statement: Statement): Statement {
  // drizzle gives a statement its connection when it prepares it, and offers no other way to change it.
  const { client } = (db as unknown as { session: { client: unknown } }).session
  return Object.assign(Object.create(statement), { client })
}

/** The effects in memory that wait for the commit of a `db`. */
const effects = new WeakMap<Db, (() => void)[]>()

/** Runs `effect`, which changes memory alone, once the transaction of `db` is on disk; at once where `db` has none. */
export function afterCommit(db: Db, effect: () => void): void {
  const waiting = effects.get(db)
  if (waiting === undefined) effect()
  else waiting.push(effect)
}

/** A transaction that collects its `afterCommit` effects: only those of the attempt that was committed are run. */
export function withEffects(transact: Database['transaction']): Database['transaction'] {
  return async (work) => {
    let waiting: (() => void)[] = []
    const result = await transact((db) => {
      waiting = []
      effects.set(db, waiting)
      return work(db)
    })
    for (const effect of waiting) effect()
    return result
  }
}

/** Refuses text that PostgreSQL cannot keep, on every engine. @throws Problem text_rejected */
export function assertText(params: unknown[]): void {
  const isNul = (param: unknown) => typeof param === 'string' && param.includes('\0')
  if (params.some(isNul)) throw new Problem('text_rejected')
}

/** The row of a statement that always returns one. */
export function sole<Row>([row]: Row[]): Row {
  if (row === undefined) throw new Error('A statement that returns a row returned none')
  return row
}

// The two schemas must describe the same rows, because the code casts one to the other. A difference does not compile.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type TableName = keyof Tables
type Agreement = {
  [Name in TableName]: [
    Same<(typeof sqliteSchema)[Name]['$inferSelect'], Tables[Name]['$inferSelect']>,
    Same<(typeof sqliteSchema)[Name]['$inferInsert'], Tables[Name]['$inferInsert']>,
  ]
}
type Assert<Condition extends true> = Condition
export type SchemasAgree = Assert<Same<[keyof typeof sqliteSchema, Agreement[TableName]], [TableName, [true, true]]>>
