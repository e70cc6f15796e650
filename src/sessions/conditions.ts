import { and, eq, exists, type GetColumnData, gt, isNull, or, type SQLWrapper, sql } from 'drizzle-orm'
import { alias, type PgColumn } from 'drizzle-orm/pg-core'
import type { Database, Tables } from '../database/database.js'
import { type FactorPolicy, hasNeededFactor } from '../database/factor-policy.js'
import { CLIENT_ID, CLOCK_SKEW_S } from '../tokens/access-tokens.js'

/** Covers a process whose clock is behind the clock of the database: it accepts tokens longer. */
export const TOKEN_SLACK_MS = 2 * CLOCK_SKEW_S * 1_000

/**
 * Conditions shared by the session statements, under the policy for second factors. `sessionId` and `withChildren` use
 * the parameter `sessionId`.
 */
export function sessionConditions(database: Database, policy: FactorPolicy) {
  const { tables, now } = database
  const { sessions, users } = tables
  const parent = alias(sessions, 'parent')
  const sessionId = eq(sessions.id, sql.placeholder('sessionId'))
  return {
    sessionId,
    /** A session and the sessions that end with it. */
    withChildren: or(sessionId, eq(sessions.parentId, sql.placeholder('sessionId'))),
    // Another client must refresh its tokens with its own authenticated requests.
    isOwnClient: eq(sessions.clientId, CLIENT_ID),
    /** Uses the parameter `clientId`. */
    isOfClient: eq(sessions.clientId, sql.placeholder('clientId')),
    isLive: and(isNull(sessions.revokedAt), gt(sessions.idleExpiresAt, now)),
    /** The browser session in which the session began has not ended. True without a browser session. */
    ofLiveParent: or(
      isNull(sessions.parentId),
      exists(
        sql`(select 1 from ${sessions} as ${parent} where ${parent.id} = ${sessions.parentId} and ${parent.revokedAt} is null and ${parent.idleExpiresAt} > ${now})`,
      ),
    ),
    /** The user is active and has the second factor that the policy requires. */
    ofActiveUser: sql`exists (select 1 from ${users} where ${and(
      eq(users.id, sessions.userId),
      eq(users.isActive, true),
      hasNeededFactor(database, policy),
    )})`,
  }
}

/** Condition: the user has consented to the client. */
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

/** An expression for RETURNING. The template is nested because drizzle drops the table name of columns in RETURNING. */
export function returned<Value>(expression: SQLWrapper, name: string) {
  return sql<Value>`${expression}`.as(name)
}

/** The columns of a Revocation. */
export function revocationColumns({ sessions }: Tables) {
  return { id: sessions.id, userId: sessions.userId, kind: sessions.kind, tokenExpiresAt: sessions.tokenExpiresAt }
}
