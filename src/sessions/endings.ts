import type { Event, Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import { afterCommit, type Database, type Db } from '../database/database.js'
import type { Revocation, Revocations } from './revocations.js'

type SessionEvent = Pick<Event, 'type' | 'actorId' | 'actorClientId' | 'reason'>

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

  constructor({ database, events, revocations }: Dependencies) {
    this.#database = database
    this.#events = events
    this.#revocations = revocations
  }

  /** Ends sessions in a transaction of their own, with an event for each. */
  end(revoke: (db: Db) => PromiseLike<Revocation[]>, event: SessionEvent, client: Client): Promise<Revocation[]> {
    return this.#database.transaction(async (db) => {
      const rows = await revoke(db)
      await this.record(db, rows, event, client)
      return rows
    })
  }

  /** Records the end of sessions within the transaction of `db`, and remembers it after the commit. */
  async record(db: Db, rows: Revocation[], event: SessionEvent, client: Client): Promise<void> {
    afterCommit(db, () => this.#revocations.remember(rows))
    for (const { id, userId } of rows) await this.#events.record({ ...event, userId, sessionId: id }, client, db)
  }
}
