import { and, desc, eq, inArray, isNotNull, isNull, lt, ne, or, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { deleteInBatches } from '../database/batches.js'
import type { Database, Db } from '../database/database.js'
import { type FactorPolicy, hasNeededFactor } from '../database/factor-policy.js'
import { returned, revocationColumns, sessionConditions, TOKEN_SLACK_MS } from './conditions.js'

/**
 * The most live sessions of each kind per user. A further session ends the oldest session of that kind. The limit is
 * per kind, so that a script with many log-ins at a tutorial endpoint ends no browser session.
 */
export const SESSIONS_PER_KIND = 100

/** Ends all sessions of a user except one, within the transaction of `db`. */
export function endAllSessions({ tables: { sessions }, now }: Database, db: Db, userId: number, except: string) {
  return db
    .update(sessions)
    .set({ revokedAt: now })
    .where(and(eq(sessions.userId, userId), ne(sessions.id, except), isNull(sessions.revokedAt)))
    .returning({ id: sessions.id, tokenExpiresAt: sessions.tokenExpiresAt })
}

/** Ends all sessions of a user with a client, within the transaction of `db`. */
export function endSessionsWith({ tables, now }: Database, db: Db, { userId, clientId }: UserOfClient) {
  const { sessions } = tables
  return db
    .update(sessions)
    .set({ revokedAt: now })
    .where(and(eq(sessions.userId, userId), eq(sessions.clientId, clientId), isNull(sessions.revokedAt)))
    .returning(revocationColumns(tables))
}

interface UserOfClient {
  userId: number
  clientId: string
}

/**
 * The statements of sessions.ts. Each change is one conditional statement, so that only one of several concurrent
 * changes succeeds.
 */
export function prepareSessionStatements(database: Database, policy: FactorPolicy) {
  const { db, tables, now, forShare } = database
  const { sessions, users } = tables
  const { sessionId, withChildren, isOwnClient, isOfClient, isLive, ofActiveUser } = sessionConditions(database, policy)
  const revocation = revocationColumns(tables)
  const ofUserAndKind = and(
    eq(sessions.userId, sql.placeholder('userId')),
    eq(sessions.kind, sql.placeholder('kind')),
    isOwnClient,
  )
  const tooMany = db
    .select({ id: sessions.id })
    .from(sessions)
    .where(and(ofUserAndKind, isLive))
    .orderBy(desc(sessions.createdAt), desc(sessions.id))
    .limit(SESSIONS_PER_KIND)
    .offset(SESSIONS_PER_KIND)
  return {
    insert: db
      .insert(sessions)
      .select(
        db
          .select(newSession(database))
          .from(users)
          .where(
            sql`${and(
              eq(users.id, sql.placeholder('userId')),
              eq(users.isActive, true),
              hasNeededFactor(database, policy),
              eq(users.authVersion, sql.placeholder('authVersion')),
            )} ${forShare}`,
          ),
      )
      .returning({ amr: sessions.amr, authTime: sessions.authTime, sessionCount: sessionCount(database) })
      .prepare('insert_session'),
    endOldest: db
      .update(sessions)
      .set({ revokedAt: now })
      .where(and(isNull(sessions.revokedAt), or(inArray(sessions.id, tooMany), inArray(sessions.parentId, tooMany))))
      .returning(revocation)
      .prepare('end_oldest_sessions'),
    revoke: db
      .update(sessions)
      .set({ revokedAt: now })
      .where(and(withChildren, isNull(sessions.revokedAt)))
      .returning(revocation)
      .prepare('revoke_session'),
    revokeOwn: db
      .update(sessions)
      .set({ revokedAt: now })
      .where(and(withChildren, eq(sessions.userId, sql.placeholder('userId')), isLive))
      .returning(revocation)
      .prepare('revoke_own_session'),
    isUsable: db
      .select({ id: sessions.id })
      .from(sessions)
      .where(and(sessionId, isLive, ofActiveUser))
      .prepare('find_usable_session'),
    describe: db
      .select({
        userId: sessions.userId,
        scope: sessions.scope,
        createdAt: sessions.createdAt,
        idleExpiresAt: sessions.idleExpiresAt,
      })
      .from(sessions)
      .where(and(sessionId, isOfClient, eq(sessions.generation, sql.placeholder('generation')), isLive, ofActiveUser))
      .prepare('describe_session'),
    selectClient: db
      .select({ clientId: sessions.clientId })
      .from(sessions)
      .where(sessionId)
      .prepare('select_client_of_session'),
    list: db
      .select({
        id: sessions.id,
        ip: sessions.ip,
        userAgent: sessions.userAgent,
        createdAt: sessions.createdAt,
        lastUsedAt: sessions.lastUsedAt,
      })
      .from(sessions)
      .where(and(eq(sessions.userId, sql.placeholder('userId')), isLive))
      .orderBy(desc(sessions.createdAt), desc(sessions.id))
      .prepare('list_sessions'),
  }
}

/** Deletes ended sessions whose access tokens have expired. */
export function pruneSessions(database: Database, signal?: AbortSignal): Promise<void> {
  const { now, tables } = database
  const { sessions: table } = tables
  const isOver = or(isNotNull(table.revokedAt), lt(table.idleExpiresAt, now))
  return deleteInBatches(database, { table, key: table.id, where: and(lt(table.tokenExpiresAt, now), isOver), signal })
}

/**
 * The columns of a new session, in table order. Uses the parameters `id`, `kind`, `clientId`, `amr`, `ip` and
 * `userAgent`, and the lifetimes `idle`, `absolute` and `token` in milliseconds.
 */
export function newSession({ tables: { users }, now }: Database) {
  const after = (lifetime: string) => sql`${now} + ${numberParameter(lifetime)}`
  return {
    id: textParameter('id').as('id'),
    userId: users.id,
    generation: sql`0`.as('generation'),
    ip: textParameter('ip').as('ip'),
    userAgent: textParameter('userAgent').as('user_agent'),
    createdAt: sql`${now}`.as('created_at'),
    lastUsedAt: sql`${now}`.as('last_used_at'),
    idleExpiresAt: after('idle').as('idle_expires_at'),
    expiresAt: after('absolute').as('expires_at'),
    tokenExpiresAt: sql`${after('token')} + ${TOKEN_SLACK_MS}`.as('token_expires_at'),
    revokedAt: sql`cast(null as bigint)`.as('revoked_at'),
    repetitions: sql`0`.as('repetitions'),
    kind: textParameter('kind').as('kind'),
    clientId: textParameter('clientId').as('client_id'),
    scope: sql`cast(null as text)`.as('scope'),
    parentId: sql`cast(null as text)`.as('parent_id'),
    amr: textParameter('amr').as('amr'),
    authTime: sql`${now}`.as('auth_time'),
  }
}

/**
 * For RETURNING: the number of sessions of the user, live or ended. The engines differ in whether the count includes
 * the new row. An index alone answers the count, so the query for live sessions runs only at the limit.
 */
export function sessionCount({ tables: { sessions } }: Database) {
  const counted = alias(sessions, 'counted')
  const ofUser = sql`(select count(*) from ${sessions} as ${counted} where ${counted.userId} = ${sessions.userId})`
  return returned<number>(ofUser, 'session_count')
}

/** A parameter in the place of a column. PostgreSQL needs the cast to know the type. */
export function textParameter(name: string) {
  return sql<string>`cast(${sql.placeholder(name)} as text)`
}

/** Like `textParameter`, for a number. */
export function numberParameter(name: string) {
  return sql<number>`cast(${sql.placeholder(name)} as bigint)`
}
