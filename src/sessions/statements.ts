import { and, desc, eq, gt, inArray, isNotNull, isNull, lt, ne, not, or, type SQLWrapper, sql } from 'drizzle-orm'
import { ownEvent } from '../audit/events.js'
import type { Config } from '../config/config.js'
import { deleteInBatches } from '../database/batches.js'
import type { Database, Db } from '../database/database.js'
import { CLIENT_ID, CLOCK_SKEW_S, type Role } from '../tokens/access-tokens.js'

// The only file that touches the sessions table.

/**
 * How many live sessions of a kind a user has at most: one more ends the oldest of that kind. A script that logs in again
 * and again at a tutorial's address ends no browser's session.
 */
export const SESSIONS_PER_KIND = 100
/** How often the parent of a generation is answered again within the reuse window. */
const REPETITIONS = 3
/** A poll reads again what was revoked this long ago: a commit may become visible later than its own time says. */
const POLL_OVERLAP_MS = 60_000

/** Ends all sessions of a user but one, within the transaction of `db` where it is one. */
export function endAllSessions({ tables: { sessions }, now }: Database, db: Db, userId: number, except: string) {
  return db
    .update(sessions)
    .set({ revokedAt: now })
    .where(and(eq(sessions.userId, userId), ne(sessions.id, except), isNull(sessions.revokedAt)))
    .returning({ id: sessions.id, tokenExpiresAt: sessions.tokenExpiresAt })
}

/** What sessions.ts does to the table, each as one statement, so that of several at once one wins. */
export function prepareSessionStatements(database: Database, config: Config) {
  const { db, tables, now, forShare } = database
  const { sessions, users } = tables
  const sessionId = eq(sessions.id, sql.placeholder('sessionId'))
  /** A session, with those that end with it. */
  const withChildren = or(sessionId, eq(sessions.parentId, sql.placeholder('sessionId')))
  // The tokens of another client are for its own requests to refresh, in which it proves who it is.
  const isOwnClient = eq(sessions.clientId, CLIENT_ID)
  const presented = sql`cast(${sql.placeholder('generation')} as bigint)`
  const isLive = and(isNull(sessions.revokedAt), gt(sessions.idleExpiresAt, now))
  const ofActiveUser = sql`exists (select 1 from ${users} where ${users.id} = ${sessions.userId} and ${users.isActive})`
  const ofUser = (column: SQLWrapper) => sql`(select ${column} from ${users} where ${users.id} = ${sessions.userId})`
  const after = (lifetime: string) => sql`${now} + cast(${sql.placeholder(lifetime)} as bigint)`
  const idleExpiry = sql`${now} + ${config.REFRESH_IDLE_TTL}`
  // The slack covers a process whose clock runs behind the database's: its tokens live on a little longer.
  const slack = 2 * CLOCK_SKEW_S * 1_000
  const tokenExpiry = sql`${now} + ${config.ACCESS_TOKEN_TTL + slack}`
  const isInWindow = sql`(${sessions.generation} = ${presented} + 1 and ${sessions.lastUsedAt} + ${config.REFRESH_REUSE_WINDOW} > ${now})`
  const revocation = { id: sessions.id, userId: sessions.userId, tokenExpiresAt: sessions.tokenExpiresAt }
  // Nested once more, because drizzle strips the table from the columns of an expression in RETURNING.
  const rotation = {
    userId: sessions.userId,
    generation: sessions.generation,
    role: sql<Role>`${ofUser(users.role)}`.as('role'),
    roles: sql<string>`${ofUser(users.roles)}`.as('roles'),
    ip: sessions.ip,
    amr: sessions.amr,
    authTime: sessions.authTime,
  }
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
  const rotate = db
    .update(sessions)
    .set({
      generation: sql`${sessions.generation} + 1`,
      repetitions: 0,
      ip: sql`${sql.placeholder('ip')}`,
      lastUsedAt: now,
      idleExpiresAt: sql`case when ${idleExpiry} < ${sessions.expiresAt} then ${idleExpiry} else ${sessions.expiresAt} end`,
      tokenExpiresAt: tokenExpiry,
    })
    .where(and(sessionId, isOwnClient, sql`${sessions.generation} = ${presented}`, isLive, ofActiveUser))
    .returning(rotation)

  return {
    insert: db
      .insert(sessions)
      .select(
        db
          .select({
            id: textParameter('id'),
            userId: users.id,
            generation: sql`0`.as('generation'),
            ip: textParameter('ip'),
            userAgent: textParameter('userAgent'),
            createdAt: sql`${now}`.as('created_at'),
            lastUsedAt: sql`${now}`.as('last_used_at'),
            idleExpiresAt: sql`${after('idle')}`.as('idle_expires_at'),
            expiresAt: sql`${after('absolute')}`.as('expires_at'),
            tokenExpiresAt: sql`${after('token')} + ${slack}`.as('token_expires_at'),
            revokedAt: sql`cast(null as bigint)`.as('revoked_at'),
            repetitions: sql`0`.as('repetitions'),
            kind: textParameter('kind'),
            clientId: textParameter('clientId'),
            scope: sql`cast(null as text)`.as('scope'),
            parentId: sql`cast(null as text)`.as('parent_id'),
            amr: textParameter('amr'),
            authTime: sql`${now}`.as('auth_time'),
          })
          .from(users)
          .where(
            sql`${and(
              eq(users.id, sql.placeholder('userId')),
              eq(users.isActive, true),
              eq(users.authVersion, sql.placeholder('authVersion')),
            )} ${forShare}`,
          ),
      )
      .returning({ amr: sessions.amr, authTime: sessions.authTime })
      .prepare('insert_session'),
    endOldest: db
      .update(sessions)
      .set({ revokedAt: now })
      .where(and(isNull(sessions.revokedAt), or(inArray(sessions.id, tooMany), inArray(sessions.parentId, tooMany))))
      .returning(revocation)
      .prepare('end_oldest_sessions'),
    /** Records itself. */
    rotate: database.prepareRecorded('rotate_session', rotate, {
      into: tables.events,
      values: ({ userId }) => ownEvent('session.refreshed', userId, database),
    }),
    rotateAgain: db
      .update(sessions)
      .set({ tokenExpiresAt: tokenExpiry, repetitions: sql`${sessions.repetitions} + 1` })
      .where(and(sessionId, isOwnClient, isInWindow, lt(sessions.repetitions, REPETITIONS), isLive, ofActiveUser))
      .returning(rotation)
      .prepare('rotate_session_again'),
    revokeReused: db
      .update(sessions)
      .set({ revokedAt: now })
      // No children: none ends with a session that has refresh tokens.
      .where(
        and(
          sessionId,
          isOwnClient,
          sql`${sessions.generation} > ${presented}`,
          not(isInWindow),
          isNull(sessions.revokedAt),
        ),
      )
      .returning(revocation)
      .prepare('revoke_reused_session'),
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
    selectRevoked: db
      .select(revocation)
      .from(sessions)
      .where(and(isNotNull(sessions.revokedAt), gt(sessions.tokenExpiresAt, now)))
      .prepare('select_revoked_sessions'),
    selectRecentlyRevoked: db
      .select(revocation)
      .from(sessions)
      .where(and(gt(sessions.revokedAt, sql`${now} - ${POLL_OVERLAP_MS}`), gt(sessions.tokenExpiresAt, now)))
      .prepare('select_recently_revoked_sessions'),
  }
}

/** Deletes sessions that are over and whose access tokens have expired. */
export function pruneSessions(database: Database, signal?: AbortSignal): Promise<void> {
  const { now, tables } = database
  const { sessions: table } = tables
  const isOver = or(isNotNull(table.revokedAt), lt(table.idleExpiresAt, now))
  return deleteInBatches(database, { table, key: table.id, where: and(lt(table.tokenExpiresAt, now), isOver), signal })
}

/** A parameter that stands as a column: PostgreSQL must be told its type. */
function textParameter(name: string) {
  return sql<string>`cast(${sql.placeholder(name)} as text)`.as(name)
}
