import type BetterSqlite3 from 'better-sqlite3'
import { loadDriver } from '../database/sqlite/driver.js'
import type { Kind } from './columns.js'
import type { ImportedUser } from './user.js'

/** The outcome for a user: to be imported, just imported, imported earlier, or the reason to skip the user. */
type Outcome = 'ready' | 'taken over' | 'already here' | 'a shared name' | 'a name taken here' | IdConflict
/** Two users share an id: the owner of rows and old tokens with this id is unknown. */
type IdConflict = 'a shared id' | "an id of somebody else's in an earlier import of this --name"

/** What to do about users who share a name: stop the import, import the first of them, or skip them all. */
export const DUPLICATE_POLICIES = ['stop', 'oldest', 'skip'] as const
export type DuplicatePolicy = (typeof DUPLICATE_POLICIES)[number]

/** Users who share a name: a user name, an address, or a user name that equals the other user's address. */
export interface Duplicates {
  key: string
  people: { name: string; oldId: string; canLogIn: boolean }[]
}

const TABLE = `
  create table people (
    position integer primary key, old_id text not null unique, username_key text, email_key text,
    name text not null, can_log_in integer not null, outcome text not null
  );
  create table names (key text not null, position integer not null, primary key (key, position)) without rowid;
  create index names_position on names (position);
  create table belongings (
    kind text not null, old_id text not null, found integer not null default 1, taken integer not null default 0,
    primary key (kind, old_id)
  ) without rowid`

const SHARED = 'select key from names group by key having count(*) > 1'

/** Some names of a group are enough to find the others. */
const NAMES_SHOWN = 5

/**
 * The users to import, without their passwords, in a temporary SQLite file, so that duplicates in a source of any size
 * are found with little memory.
 */
export class Stage {
  readonly #connection: BetterSqlite3.Database
  readonly #insert: BetterSqlite3.Statement
  readonly #isSame: BetterSqlite3.Statement
  readonly #insertName: BetterSqlite3.Statement
  readonly #insertRow: BetterSqlite3.Statement
  readonly #takeRow: BetterSqlite3.Statement
  readonly #outcome: BetterSqlite3.Statement
  readonly #setOutcome: BetterSqlite3.Statement
  #position = 0

  private constructor(connection: BetterSqlite3.Database) {
    this.#connection = connection
    connection.pragma('journal_mode = off')
    connection.pragma('synchronous = off')
    connection.exec(TABLE)
    this.#insert = connection.prepare('insert or ignore into people values (?, ?, ?, ?, ?, ?, ?)')
    this.#isSame = connection.prepare(
      'select 1 from people where old_id = ? and username_key is ? and email_key is ? and can_log_in = ?',
    )
    this.#insertName = connection.prepare('insert or ignore into names values (?, ?)')
    this.#insertRow = connection
      .prepare(
        `insert into belongings (kind, old_id) values (?, ?)
         on conflict do update set found = found + 1 returning found`,
      )
      .pluck()
    this.#takeRow = connection
      .prepare(
        `update belongings set taken = taken + 1 where kind = ? and old_id = ? and taken < found returning taken`,
      )
      .pluck()
    this.#outcome = connection.prepare('select outcome from people where old_id = ?').pluck()
    this.#setOutcome = connection.prepare('update people set outcome = ? where old_id = ?')
  }

  static async open(): Promise<Stage> {
    const Sqlite = await loadDriver()
    return new Stage(new Sqlite(''))
  }

  /**
   * Adds a user, unless the id is a repetition. If two different users share an id, neither is imported: the owner of
   * their rows is unknown. The same holds if one row allows a log-in and another does not, as in an export with one row
   * per user and ban: it is unknown which row counts.
   */
  add({
    oldId,
    usernameKey,
    emailKey,
    username,
    email,
    isActive,
    password,
  }: ImportedUser): 'added' | 'an id that came before' | 'a shared id' {
    const position = this.#position + 1
    const canLogIn =
      isActive && (password.kind === 'plaintext' || (password.kind === 'hash' && !password.isTooExpensive))
    const row = [position, oldId, usernameKey, emailKey, username ?? email, Number(canLogIn), 'ready']
    if (this.#insert.run(row).changes === 0) {
      if (this.#isSame.get(oldId, usernameKey, emailKey, Number(canLogIn)) !== undefined)
        return 'an id that came before'
      this.setOutcome(oldId, 'a shared id')
      return 'a shared id'
    }
    this.#position = position
    for (const key of [usernameKey, emailKey]) if (key !== null) this.#insertName.run(key, position)
    return 'added'
  }

  /** Adds a row that a user owns. Returns the number of rows with this id so far. */
  addRow(kind: Kind, oldId: string): number {
    return this.#insertRow.get(kind, oldId) as number
  }

  /**
   * Takes a row that was added. Returns the number of rows with this id taken so far; undefined if there are no more.
   */
  takeRow(kind: Kind, oldId: string): number | undefined {
    return this.#takeRow.get(kind, oldId) as number | undefined
  }

  /** The outcome for the user with this id; undefined if there is none. */
  outcomeOf(oldId: string): Outcome | undefined {
    return this.#outcome.get(oldId) as Outcome | undefined
  }

  /** Marks a user as imported; false if the user was imported earlier, or is skipped. */
  take(oldId: string): boolean {
    const isReady = this.outcomeOf(oldId) === 'ready'
    if (isReady) this.setOutcome(oldId, 'taken over')
    return isReady
  }

  setOutcome(oldId: string, outcome: Outcome): void {
    this.#setOutcome.run(outcome, oldId)
  }

  /** The users to import, in batches. */
  *ready(atOnce: number): Generator<{ oldId: string; usernameKey: string | null; emailKey: string | null }[]> {
    const next = this.#connection.prepare(
      `select position, old_id as oldId, username_key as usernameKey, email_key as emailKey from people
       where outcome = 'ready' and position > ? order by position limit ${atOnce}`,
    )
    for (let last = 0; ; ) {
      const rows = next.all(last) as { position: number; oldId: string; usernameKey: string; emailKey: string }[]
      if (rows.length === 0) return
      last = rows.at(-1)?.position ?? 0
      yield rows
    }
  }

  /**
   * Decides which of the users who share a name are skipped: all, or all except the first who can log in. Decides one
   * by one, because two users may each share a name with a third.
   */
  judgeDuplicates(policy: DuplicatePolicy): void {
    if (policy !== 'oldest') {
      const shared = `select position from names where key in (${SHARED})`
      this.#connection.exec(
        `update people set outcome = 'a shared name' where outcome = 'ready' and position in (${shared})`,
      )
      return
    }
    this.#connection.exec('create temp table claimed (key text primary key) without rowid')
    const people = this.#connection.prepare(
      `select position, old_id as oldId from people
       where outcome = 'ready' and position in (select position from names where key in (${SHARED}))
       order by can_log_in desc, position`,
    )
    const isLate = this.#connection.prepare(
      'select 1 from names join claimed using (key) where names.position = ? limit 1',
    )
    const claim = this.#connection.prepare('insert into claimed select key from names where position = ?')
    for (const { position, oldId } of people.all() as { position: number; oldId: string }[]) {
      if (isLate.get(position) === undefined) claim.run(position)
      else this.setOutcome(oldId, 'a shared name')
    }
  }

  /** The number of shared names. */
  countDuplicates(): number {
    return Number(this.#connection.prepare(`select count(*) from (${SHARED})`).pluck().get())
  }

  /** The first shared names, and the users who share them. */
  duplicates(limit: number): Duplicates[] {
    const keys = this.#connection.prepare(`${SHARED} order by min(position) limit ?`).pluck().all(limit) as string[]
    const members = this.#connection.prepare(
      `select name, old_id as oldId, can_log_in as canLogIn from names join people using (position)
       where key = ? order by position limit ${NAMES_SHOWN}`,
    )
    return keys.map((key) => {
      const people = members.all(key) as { name: string; oldId: string; canLogIn: number }[]
      return { key, people: people.map((person) => ({ ...person, canLogIn: person.canLogIn === 1 })) }
    })
  }

  countOutcomes(): Partial<Record<Outcome, number>> {
    const rows = this.#connection.prepare('select outcome, count(*) from people group by outcome').raw().all()
    return Object.fromEntries(rows as [Outcome, number][])
  }

  /** The highest numeric id of users, or of rows of a kind, up to `upTo`; 0 if there is none. */
  highestId(kind: Kind, upTo: number): number {
    const ids = kind === 'users' ? 'people where 1' : 'belongings where kind = $kind'
    const highest = this.#connection.prepare(
      `select max(cast(old_id as integer)) from (select old_id from ${ids})
       where old_id not glob '*[^0-9]*' and length(old_id) < 16 and cast(old_id as integer) <= $upTo`,
    )
    return Number(highest.pluck().get({ upTo, ...(kind !== 'users' && { kind }) }) ?? 0)
  }

  close(): void {
    this.#connection.close()
  }
}
