import { desc, eq } from 'drizzle-orm'
import type { Database, Db } from '../database/database.js'

/** The stored sessions of a user, including ended sessions, newest first, at most `max`. */
export function keptSessions({ tables: { sessions } }: Database, db: Db, { userId, max }: Wanted) {
  return db
    .select({
      id: sessions.id,
      kind: sessions.kind,
      clientId: sessions.clientId,
      scope: sessions.scope,
      ip: sessions.ip,
      userAgent: sessions.userAgent,
      amr: sessions.amr,
      createdAt: sessions.createdAt,
      lastUsedAt: sessions.lastUsedAt,
      idleExpiresAt: sessions.idleExpiresAt,
      expiresAt: sessions.expiresAt,
      revokedAt: sessions.revokedAt,
    })
    .from(sessions)
    .where(eq(sessions.userId, userId))
    .orderBy(desc(sessions.createdAt), desc(sessions.id))
    .limit(max)
}

interface Wanted {
  userId: number
  max: number
}
