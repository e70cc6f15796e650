import { and, eq, exists, type GetColumnData, gt, isNull, or, type SQLWrapper, sql } from 'drizzle-orm'
import { alias, type PgColumn } from 'drizzle-orm/pg-core'
import type { Database, Tables } from '../database/database.js'
import { type FactorPolicy, hasNeededFactor } from '../database/factor-policy.js'
import { CLIENT_ID, CLOCK_SKEW_S } from '../tokens/access-tokens.js'

/** Covers a process whose clock runs behind the database's: it accepts tokens a little longer. */
export const TOKEN_SLACK_MS = 2 * CLOCK_SKEW_S * 1_000

/**
 * Conditions of several statements about sessions, under the policy for second factors. `sessionId` and `withChildren` take the
 * parameter `sessionId`.
 */
export function sessionConditions(database: Database, policy: FactorPolicy) {
  const { tables, now } = database
  const { sessions, users } = tables
  const parent = alias(sessions, 'parent')
  const sessionId = eq(sessions.id, sql.placeholder('sessionId'))
  return {
    sessionId,
    /** A session, with those that end with it. */
    withChildren: or(sessionId, eq(sessions.parentId, sql.placeholder('sessionId'))),
    // The tokens of another client are for its own requests to refresh, in which it proves who it is.
    isOwnClient: eq(sessions.clientId, CLIENT_ID),
    /** Takes the parameter `clientId`. */
    isOfClient: eq(sessions.clientId, sql.placeholder('clientId')),
    isLive: and(isNull(sessions.revokedAt), gt(sessions.idleExpiresAt, now)),
    /** That the browser session in which it began is not over either; true where it has none. */
    ofLiveParent: or(
      isNull(sessions.parentId),
      exists(
        sql`(select 1 from ${sessions} as ${parent} where ${parent.id} = ${sessions.parentId} and ${parent.revokedAt} is null and ${parent.idleExpiresAt} > ${now})`,
      ),
    ),
    /** That its user is active, and has the second factor that the policy asks for. */
    ofActiveUser: sql`exists (select 1 from ${users} where ${and(
      eq(users.id, sessions.userId),
      eq(users.isActive, true),
      hasNeededFactor(database, policy),
    )})`,
  }
}

/** That a user has agreed to what a client asks for. */
export function hasConsent({ db, tables: { consents } }: Database, userId: SQLWrapper, clientId: SQLWrapper) {
  return exists(
    db
      .select({ clientId: consents.clientId })
      .from(consents)
      .where(and(eq(consents.userId, userId), eq(consents.clientId, clientId))),
  )
}

/** A column of the user of a session, for RETURNING. */
export function columnOfUser<Column extends PgColumn>({ sessions, users }: Tables, column: Column) {
  const ofUser = sql`(select ${column} from ${users} where ${users.id} = ${sessions.userId})`
  return returned<GetColumnData<Column>>(ofUser, column.name)
}

/** An expression for RETURNING. A nested template, because drizzle drops the table name of columns there. */
export function returned<Value>(expression: SQLWrapper, name: string) {
  return sql<Value>`${expression}`.as(name)
}

/** The columns of a Revocation. */
export function revocationColumns({ sessions }: Tables) {
  return { id: sessions.id, userId: sessions.userId, kind: sessions.kind, tokenExpiresAt: sessions.tokenExpiresAt }
}
