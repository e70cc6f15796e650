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

/** Ends sessions: each end has its audit event, and takes effect at once in this process. */
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

  /** Ends sessions in a transaction of their own, with an event for each. */
  end(revoke: (db: Db) => PromiseLike<Ended[]>, event: SessionEvent, client: Client): Promise<Ended[]> {
    return this.#database.transaction(async (db) => {
      const rows = await revoke(db)
      await this.record(db, rows, event, client)
      return rows
    })
  }

  /** Records the end of sessions within the transaction of `db`, and remembers it after the commit. */
  async record(db: Db, rows: Ended[], event: SessionEvent, client: Client): Promise<void> {
    const ended = [...rows]
    for (const { id, kind } of rows) {
      if (kind === 'browser') ended.push(...(await within(db, this.#endChildren).execute({ parentId: id })))
    }
    afterCommit(db, () => this.#revocations.remember(ended))
    for (const { id, userId } of ended) await this.#events.record({ ...event, userId, sessionId: id }, client, db)
  }
}

/** Once the row of the browser session is locked none can begin in it; one that did before is seen by this statement alone. */
function prepareEndChildren({ db, tables, now }: Database) {
  const { sessions } = tables
  return db
    .update(sessions)
    .set({ revokedAt: now })
    .where(and(eq(sessions.parentId, sql.placeholder('parentId')), isNull(sessions.revokedAt)))
    .returning(revocationColumns(tables))
    .prepare('end_sessions_of_browser')
}
