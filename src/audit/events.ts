import { lt, type SQL, sql } from 'drizzle-orm'
import type { Config } from '../config/config.js'
import { deleteInBatches } from '../database/batches.js'
import { type Database, type Tables, within } from '../database/database.js'
import type { Client } from './requester.js'

export const EVENT_TYPES = [
  'user.registered',
  'user.created',
  'user.invited',
  'user.updated',
  'user.role_changed',
  'user.roles_changed',
  'user.disabled',
  'user.enabled',
  'user.deleted',
  'invitation.accepted',
  'email.verified',
  'email.declined',
  'email.withdrawn',
  'email.restored',
  'email.lost',
  'login.succeeded',
  'login.failed',
  'login.throttled',
  'account.locked',
  'account.exported',
  'password.changed',
  'password.rejected',
  'password_reset.created',
  'password_reset.used',
  'session.reauthenticated',
  'enrollment_link.created',
  'factor.added',
  'factor.removed',
  'factor.rejected',
  'passkey.counter_fell',
  'recovery_codes.replaced',
  'recovery_code.used',
  'session.refreshed',
  'session.refresh_repeated',
  'session.reuse_detected',
  'session.ended',
  'sessions.ended',
  'mail.sent',
  'mail.failed',
  'mail.dropped',
  'requests.limited',
  'access.refused',
  'consent.granted',
  'consent.revoked',
  'client.created',
  'client.updated',
  'client.secret_added',
  'client.secret_ended',
  'client.disabled',
  'client.enabled',
  'client.deleted',
  'client.refused',
  'api_key.created',
  'api_key.revoked',
  'api_keys.revoked',
  'import.started',
  'import.finished',
] as const

export interface Event {
  type: (typeof EVENT_TYPES)[number]
  /** The user that the event is about. Null if no account has the given name. */
  userId: number | null
  /** The authenticated user who acted. Null for the command line and for failed log-ins. */
  actorId?: number | null
  /** The client that acted for itself. Then there is no `actorId`. */
  actorClientId?: string
  sessionId?: string
  reason?: string
}

/** The audit log. Events outlive the accounts that they are about. */
export class Events {
  readonly #database: Database
  readonly #config: Config
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database, config: Config) {
    this.#database = database
    this.#config = config
    this.#statements = prepareStatements(database)
  }

  /** Records an event. `db` is the transaction of the change. */
  async record(event: Event, client?: Client, db = this.#database.db): Promise<void> {
    await within(db, this.#statements.insert).execute(parameters(event, client))
  }

  /** Deletes events older than EVENTS_RETENTION. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { tables, now } = this.#database
    const where = lt(tables.events.createdAt, sql`${now} - ${this.#config.EVENTS_RETENTION}`)
    await deleteInBatches(this.#database, { table: tables.events, key: tables.events.id, where, signal })
  }
}

type Column = Exclude<keyof Tables['events']['$inferInsert'], 'id'>

/**
 * The event row of a user who acts on their own account, for `Database.prepareRecorded`. Uses the parameters sessionId,
 * ip and requestId; `userId` is an expression.
 */
export function ownEvent(type: Event['type'], userId: SQL, { now }: Database) {
  const parameter = (name: string) => sql`cast(${sql.placeholder(name)} as text)`
  return {
    type: sql`cast(${type} as text)`,
    userId,
    actorId: userId,
    actorClientId: sql`cast(null as text)`,
    sessionId: parameter('sessionId'),
    ip: parameter('ip'),
    requestId: parameter('requestId'),
    reason: sql`null`,
    createdAt: now,
  } satisfies Record<Column, SQL>
}

function parameters(event: Event, client?: Client) {
  const { type, userId, actorClientId, sessionId, reason } = event
  const { actorId = actorClientId === undefined ? userId : null } = event
  return {
    type,
    userId,
    actorId,
    actorClientId: actorClientId ?? null,
    sessionId: sessionId ?? null,
    reason: reason ?? null,
    ip: client?.ip ?? null,
    requestId: client?.requestId ?? null,
  }
}

function prepareStatements({ db, tables: { events }, now }: Database) {
  return {
    insert: db
      .insert(events)
      .values({
        type: sql.placeholder('type'),
        userId: sql.placeholder('userId'),
        actorId: sql.placeholder('actorId'),
        actorClientId: sql.placeholder('actorClientId'),
        sessionId: sql.placeholder('sessionId'),
        ip: sql.placeholder('ip'),
        requestId: sql.placeholder('requestId'),
        reason: sql.placeholder('reason'),
        createdAt: now,
      })
      .prepare('insert_event'),
  }
}
