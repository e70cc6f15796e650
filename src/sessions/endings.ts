import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Event, Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import { afterCommit, type Database, type Db, within } from '../database/database.js'
import { revocationColumns } from './conditions.js'
import type { Revocation, Revocations } from './revocations.js'

type SessionEvent = Pick<Event, 'type' | 'actorId' | 'actorClientId' | 'reason'>

interface Ended extends Revocation {
  userId: number
  kind: string
}

interface Dependencies {
  database: Database
  events: Events
  revocations: Revocations
}

/** Ends sessions. Each end is recorded as an audit event, and takes effect in this process right after the commit. */
export class Endings {
  readonly #database: Database
  readonly #events: Events
  readonly #revocations: Revocations
  readonly #endChildren: ReturnType<typeof prepareEndChildren>

  constructor({ database, events, revocations }: Dependencies) {
    this.#database = database
    this.#events = events
    this.#revocations = revocations
    this.#endChildren = prepareEndChildren(database)
  }

  /** Ends sessions in a new transaction, with an event for each. */
  end(revoke: (db: Db) => PromiseLike<Ended[]>, event: SessionEvent, client: Client): Promise<Ended[]> {
    return this.#database.transaction(async (db) => {
      const rows = await revoke(db)
      await this.record(db, rows, event, client)
      return rows
    })
  }

  /** Records the end of sessions within the transaction of `db`. After the commit, adds them to the revocations. */
  async record(db: Db, rows: Ended[], event: SessionEvent, client: Client): Promise<void> {
    const ended = [...rows]
    for (const { id, kind } of rows) {
      if (kind === 'browser') ended.push(...(await within(db, this.#endChildren).execute({ parentId: id })))
    }
    afterCommit(db, () => this.#revocations.remember(ended))
    for (const { id, userId } of ended) await this.#events.record({ ...event, userId, sessionId: id }, client, db)
  }
}

/**
 * Ends the client sessions that began in a browser session. Runs after the update that locked the browser session: no
 * further session can begin in it, and only a later statement sees a session that was committed just before the lock.
 */
function prepareEndChildren({ db, tables, now }: Database) {
  const { sessions } = tables
  return db
    .update(sessions)
    .set({ revokedAt: now })
    .where(and(eq(sessions.parentId, sql.placeholder('parentId')), isNull(sessions.revokedAt)))
    .returning(revocationColumns(tables))
    .prepare('end_sessions_of_browser')
}
