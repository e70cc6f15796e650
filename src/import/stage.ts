import type BetterSqlite3 from 'better-sqlite3'
import { loadDriver } from '../database-sqlite-driver.js'
import type { Kind } from './columns.js'
import type { ImportedUser } from './user.js'

/** What becomes of somebody: to be taken over, just taken over, taken over before, left out as a twin, or left out for a name taken here. */
export type Fate = 'ready' | 'taken over' | 'already here' | 'a shared name' | 'a name taken here'

/** What is done about names that fall together: nothing is imported; the first has the name; nobody has it. */
export const TWIN_POLICIES = ['stop', 'oldest', 'skip'] as const
export type TwinPolicy = (typeof TWIN_POLICIES)[number]

export interface Twins {
  key: string
  names: string[]
  oldIds: string[]
}

const TABLE = `
  create table people (
    position integer primary key, old_id text not null unique, username_key text, email_key text,
    name text not null, fate text not null
  );
  create index people_username on people (username_key) where username_key is not null;
  create index people_email on people (email_key) where email_key is not null;
  create table belongings (kind text not null, old_id text not null, primary key (kind, old_id)) without rowid`

/** Some of the names of a group are enough to find the rest. */
const NAMES_SHOWN = 5

/**
 * Who comes, without their passwords, in a temporary file that SQLite deletes by itself: so that a source of any size
 * is compared with itself in little memory.
 */
export class Stage {
  readonly #connection: BetterSqlite3.Database
  readonly #insert: BetterSqlite3.Statement
  readonly #insertRow: BetterSqlite3.Statement
  readonly #takeRow: BetterSqlite3.Statement
  readonly #fate: BetterSqlite3.Statement
  readonly #setFate: BetterSqlite3.Statement
  #position = 0

  private constructor(connection: BetterSqlite3.Database) {
    this.#connection = connection
    connection.pragma('journal_mode = off')
    connection.pragma('synchronous = off')
    connection.exec(TABLE)
    this.#insert = connection.prepare('insert or ignore into people values (?, ?, ?, ?, ?, ?)')
    this.#insertRow = connection.prepare('insert or ignore into belongings values (?, ?)')
    this.#takeRow = connection.prepare('delete from belongings where kind = ? and old_id = ?')
    this.#fate = connection.prepare('select fate from people where old_id = ?').pluck()
    this.#setFate = connection.prepare('update people set fate = ? where old_id = ?')
  }

  static async open(): Promise<Stage> {
    const Sqlite = await loadDriver()
    return new Stage(new Sqlite(''))
  }

  /** Adds somebody; false when the id came before. */
  add({ oldId, usernameKey, emailKey, username, email }: ImportedUser): boolean {
    this.#position += 1
    const name = username ?? email
    return this.#insert.run(this.#position, oldId, usernameKey, emailKey, name, 'ready').changes === 1
  }

  /** Adds a row of somebody's; false when the id came before. */
  addRow(kind: Kind, oldId: string): boolean {
    return this.#insertRow.run(kind, oldId).changes === 1
  }

  /** What becomes of the person of this id; undefined when there is none. */
  fateOf(oldId: string): Fate | undefined {
    return this.#fate.get(oldId) as Fate | undefined
  }

  /** Takes a row of this kind off the list; false when it was taken before. */
  take(kind: Kind, oldId: string): boolean {
    if (kind !== 'users') return this.#takeRow.run(kind, oldId).changes === 1
    const isReady = this.fateOf(oldId) === 'ready'
    if (isReady) this.setFate(oldId, 'taken over')
    return isReady
  }

  setFate(oldId: string, fate: Fate): void {
    this.#setFate.run(fate, oldId)
  }

  /** Those who are to be taken over, a few at a time. */
  *ready(atOnce: number): Generator<{ oldId: string; usernameKey: string | null; emailKey: string | null }[]> {
    const next = this.#connection.prepare(
      `select position, old_id as oldId, username_key as usernameKey, email_key as emailKey from people
       where fate = 'ready' and position > ? order by position limit ${atOnce}`,
    )
    for (let last = 0; ; ) {
      const rows = next.all(last) as { position: number; oldId: string; usernameKey: string; emailKey: string }[]
      if (rows.length === 0) return
      last = rows.at(-1)?.position ?? 0
      yield rows
    }
  }

  /** Decides who of those with one name is left out: all of them, or all but the first. */
  judgeTwins(policy: TwinPolicy): void {
    for (const key of ['username_key', 'email_key']) {
      const first =
        policy === 'oldest' ? `and position > (select min(position) from people p where p.${key} = people.${key})` : ''
      this.#connection.exec(
        `update people set fate = 'a shared name' where ${key} in (${groups(key)}) and fate in ('ready', 'a shared name') ${first}`,
      )
    }
  }

  countTwinGroups(): number {
    const count = (key: string) =>
      Number(
        this.#connection
          .prepare(`select count(*) from (${groups(key)})`)
          .pluck()
          .get(),
      )
    return count('username_key') + count('email_key')
  }

  /** The first groups of those whose names fall together. */
  twins(limit: number): Twins[] {
    return ['username_key', 'email_key']
      .flatMap((key) => {
        const keys = this.#connection
          .prepare(`${groups(key)} order by min(position) limit ?`)
          .pluck()
          .all(limit)
        const members = this.#connection.prepare(
          `select old_id, name from people where ${key} = ? order by position limit ${NAMES_SHOWN}`,
        )
        return (keys as string[]).map((text) => {
          const rows = members.all(text) as { old_id: string; name: string }[]
          return { key: text, names: rows.map(({ name }) => name), oldIds: rows.map(({ old_id }) => old_id) }
        })
      })
      .slice(0, limit)
  }

  countFates(): Partial<Record<Fate, number>> {
    const rows = this.#connection.prepare('select fate, count(*) from people group by fate').raw().all()
    return Object.fromEntries(rows as [Fate, number][])
  }

  /** The highest number among the ids of people, or of rows of a kind, up to this one; 0 when none is a number. */
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

function groups(key: string): string {
  return `select ${key} from people where ${key} is not null group by ${key} having count(*) > 1`
}
