import type { SQL, SQLWrapper } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT, PgTable } from 'drizzle-orm/pg-core'
import type * as pgSchema from '../../drizzle/schema.pg.js'
import type * as sqliteSchema from '../../drizzle/schema.sqlite.js'
import { Problem } from '../problems.js'

/** Queries are written once, against PostgreSQL's types. Each engine casts its own types to them. */
export type Tables = typeof pgSchema
export type Db = PgDatabase<PgQueryResultHKT, Tables>

/** A prepared statement. Parameters are named; the result is the rows. */
export interface Prepared<Row> {
  execute(parameters: Record<string, unknown>): PromiseLike<Row[]>
}

/** An update or delete with RETURNING, in which each expression has an alias. */
export interface Change<Row> extends SQLWrapper {
  prepare(name: string): Prepared<Row>
}

/** The insert that is made for each row that a change returned. */
export interface ChangeRecord<Row> {
  into: PgTable
  /** The values by column. `changed` is the row as SQL expressions: columns on PostgreSQL, parameters on SQLite. */
  values(changed: { readonly [Field in keyof Row]: SQL }): Record<string, SQL>
}

export interface Database {
  readonly db: Db
  readonly tables: Tables
  /**
   * SQL expression of the database clock, in milliseconds since 1970. Times are compared by this clock only, because
   * the clocks of processes differ.
   */
  readonly now: SQL<number>
  /**
   * `FOR SHARE` for the rows an `insert ... select` reads, so that they cannot change before the insert is visible. Empty on
   * SQLite, which has one writer.
   */
  readonly forShare: SQL
  /** `FOR UPDATE` for rows that a transaction reads before it decides. Empty on SQLite. */
  readonly forUpdate: SQL
  /** `FOR UPDATE SKIP LOCKED`, so that several processes can take rows of a queue without waiting. Empty on SQLite. */
  readonly forUpdateSkipLocked: SQL
  /**
   * Runs `work` in a transaction, all or nothing. Statements must use the `db` that `work` receives (`within` for
   * prepared statements), which is closed afterwards. `work` must await nothing else: on SQLite the transaction shares
   * a commit with the other statements of the tick and blocks all writers. `work` may run again, so changes in memory
   * belong in `afterCommit`. A failed statement fails the transaction, even if its error is caught.
   */
  transaction<Result>(work: (db: Db) => Promise<Result>): Promise<Result>
  /**
   * Prepares a change with its record: both are written, or neither. PostgreSQL uses one statement, which saves three
   * round trips over a transaction. SQLite uses a transaction, because its CTEs cannot write.
   */
  prepareRecorded<Row extends object>(name: string, change: Change<Row>, record: ChangeRecord<Row>): Prepared<Row>
  /**
   * Runs `work` in a long transaction on its own connection. `work` may await other things. Long transactions of all
   * processes run one at a time. For `latchkey import` and `copy`: on SQLite all other writers wait. `limitMs`: how long a
   * statement, or the time between two, may take on a server; by default as long as in a request.
   */
  longTransaction<Result>(work: (db: Db) => Promise<Result>, limitMs?: number): Promise<Result>
  /** Runs `work` on a read-only snapshot, on its own connection. `limitMs` as for `longTransaction`. */
  snapshot<Result>(work: (db: Db) => Promise<Result>, limitMs?: number): Promise<Result>
  /** The last id that a table has assigned, even if the row was deleted. */
  lastId(db: Db, table: string): Promise<number>
  /** Sets the last id of a table. The next row gets a higher id. */
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
  /**
   * Whether to apply pending migrations; `new`: only to a database without any. Otherwise a database that needs some is
   * refused.
   */
  migrate: boolean | 'new'
  /** The setting or option that holds the address, for messages. */
  addressName?: string
  /** How many connections to a server there may be. */
  poolSize?: number
  /** How long to wait for a server that does not answer. */
  connectTimeoutMs?: number
  /** How long to wait for the write lock of SQLite. The default is the limit for requests. */
  lockMs?: number
  /** Called with each notice for the operator while the database opens. */
  onNotice?: (notice: string) => void
}

/** The setting that holds the address of the database, unless `addressName` says otherwise. */
export const ADDRESS_NAME = 'DATABASE_URL'

/** Whether a database to which `applied` migrations were applied may be migrated. */
export function mayMigrate({ migrate }: OpenOptions, applied: number): boolean {
  return migrate === 'new' ? applied === 0 : migrate
}

/** A database that cannot be used as it is. The message says why and what to do. */
export class DatabaseError extends Error {}

/** Binds a prepared statement to the transaction of `db` without preparing it again. */
export function within<Statement extends object>(db: Db, statement: Statement): Statement {
  // drizzle stores the client in a statement when it prepares the statement, and has no API to replace the client.
  const { client } = (db as unknown as { session: { client: unknown } }).session
  return Object.assign(Object.create(statement), { client })
}

/** Callbacks that wait for the commit of a `db`. */
const effects = new WeakMap<Db, (() => void)[]>()

/**
 * Runs `effect`, a change in memory, once the transaction of `db` is on disk. Runs `effect` immediately if `db` is not
 * a transaction.
 */
export function afterCommit(db: Db, effect: () => void): void {
  const waiting = effects.get(db)
  if (waiting === undefined) effect()
  else waiting.push(effect)
}

/**
 * Wraps `transact` to run `afterCommit` callbacks after the commit. Callbacks of an attempt that was rolled back are
 * dropped.
 */
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

/**
 * Refuses, on every engine, text that would not be read back as it was written: PostgreSQL cannot store NUL, and an
 * unpaired surrogate becomes one or three U+FFFD. @throws Problem text_rejected
 */
export function assertText(params: unknown[]): void {
  const isLossy = (param: unknown) => typeof param === 'string' && (param.includes('\0') || !param.isWellFormed())
  if (params.some(isLossy)) throw new Problem('text_rejected')
}

/** The only row of a statement that always returns a row. */
export function sole<Row>([row]: Row[]): Row {
  if (row === undefined) throw new Error('A statement that returns a row returned none')
  return row
}

// Compile-time check: both schemas must describe the same rows, because the code casts between them.
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
