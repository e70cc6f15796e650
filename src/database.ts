import type { SQL } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type * as pgSchema from '../drizzle/schema.pg.js'
import type * as sqliteSchema from '../drizzle/schema.sqlite.js'
import { Problem } from './problems.js'

/** Query code is written once, against the types of PostgreSQL; each engine casts itself to them. */
export type Tables = typeof pgSchema
export type Db = PgDatabase<PgQueryResultHKT, Tables>

export interface Database {
  readonly db: Db
  /** Performs the statements of the work that `together` is given, and no others. */
  readonly joint: Db
  readonly tables: Tables
  /** The database's clock in milliseconds since 1970, as an expression. Processes compare times by it alone. */
  readonly now: SQL<number>
  /**
   * Stands at the end of the condition of an `insert ... select`: nobody changes the rows that it found before what it
   * inserts is there for all to see. Nothing where statements run one after the other.
   */
  readonly forShare: SQL
  /**
   * Does `work`, whose statements of `joint` SQLite writes to the disk in one go; nothing of it may be answered before this
   * resolves. It may wait for nothing but them, and may be done again. It is not undone as a whole: a statement that fails
   * leaves those before it.
   */
  together<Result>(work: () => Promise<Result>): Promise<Result>
  /**
   * Runs `work` in a transaction that no other process can enter at the same time, on a connection of its own. For "one
   * admin always stays", which no single statement can hold, and for `latchkey import` and `copy`.
   */
  withAdminsLocked<Result>(work: (db: Db) => Promise<Result>): Promise<Result>
  /** Runs `work`, which only reads, on the data as they are at one moment, on a connection of its own. */
  snapshot<Result>(work: (db: Db) => Promise<Result>): Promise<Result>
  /** The last id that a table has given out, also to rows that are gone. */
  lastId(db: Db, table: string): Promise<number>
  /** Makes a table go on after this id. */
  setLastId(db: Db, table: string, id: number): Promise<void>
  /** Resolves when the database answers. @throws Problem database_unavailable */
  ping(): Promise<void>
  /** What the operator should see to before it becomes a fault; undefined when all is well. */
  concern(): string | undefined
  /** Where a secret may be kept beside the database; undefined where there is no such place. */
  readonly secretFile: string | undefined
  close(): Promise<void>
}

export interface OpenOptions {
  /** Bring the tables up to date; without it an old database is refused. */
  migrate: boolean
  /** How many connections to a server there may be. */
  poolSize?: number
  /** How long a server that does not answer is waited for. */
  patienceMs?: number
}

/** A database that cannot be used as it is. The message says why and what to do. */
export class DatabaseError extends Error {}

/**
 * Opens the database that `url` names (`sqlite:<path>` or `postgres://...`), migrated and ready.
 * @throws DatabaseError when it is damaged, out of reach, of another application, too new, or old and may not be migrated.
 */
export async function openDatabase(url: string, options: OpenOptions): Promise<Database> {
  if (isPostgres(url)) {
    const { openPostgres } = await import('./database-postgres.js')
    return openPostgres(url, options)
  }
  const { openSqlite } = await import('./database-sqlite.js')
  return openSqlite(url.slice('sqlite:'.length), options)
}

/** Whether `url` names a PostgreSQL database. */
export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
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

// The two schemas must describe the same rows, or the cast would lie. A difference fails to compile here.
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
