import { Readable } from 'node:stream'
import type { Static } from '@sinclair/typebox'
import { and, asc, desc, eq } from 'drizzle-orm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { lockAccount } from '../accounts/user-rows.js'
import { clientOf } from '../audit/requester.js'
import type { Database, Db } from '../database/database.js'
import { keptSessions } from '../sessions/kept-sessions.js'
import { toUser } from './account-schemas.js'
import { type Lists, listsOf, type Read } from './export-lists.js'
import type { AccountExport } from './export-schemas.js'
import { withRoomFor } from './row-gate.js'
import { timestamp, timestampOrNull } from './times.js'

/** The most sessions, keys and other items that are read in one query, the newest first: most are expired. */
const PIECES_MAX = 1_000
const MINUTE_MS = 60_000

type Document = Static<typeof AccountExport>

/**
 * Sends all data that is stored about the caller as a file. The account itself is a snapshot; events and rows, which
 * may be gigabytes, are read as fast as the client reads.
 */
export async function sendExport(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { database, events } = request.server
  const { userId, sessionId } = request.user
  const head = await database.transaction(async (db) => {
    const document = await accountOf({ database, db, userId, sessionId })
    await events.record({ type: 'account.exported', userId, sessionId }, clientOf(request), db)
    return document
  })
  const read: Read = (count, work) => withRoomFor(request, { count, timeoutMs: Number.POSITIVE_INFINITY }, work)
  reply.header('content-disposition', 'attachment; filename="account.json"').type('application/json; charset=utf-8')
  return reply.send(Readable.from(documentOf(head, await listsOf(database, userId, read)), { objectMode: false }))
}

/** The document as JSON, in chunks: the short part, then each list. */
async function* documentOf(head: object, lists: Record<Lists, AsyncGenerator<string>>) {
  yield JSON.stringify(head).slice(0, -1)
  for (const [name, chunks] of Object.entries(lists)) {
    yield `,"${name}":`
    yield* chunks
  }
  yield '}'
}

interface Reading {
  database: Database
  db: Db
  userId: number
  sessionId: string
}

/** All except the long lists. The account is locked, so that it does not change meanwhile. */
async function accountOf(reading: Reading): Promise<Omit<Document, Lists>> {
  const { database, db, userId } = reading
  const { recoveryCodes } = database.tables
  const user = await lockAccount(database, db, userId, 'invalid_token')
  return {
    exported_at: timestamp(Date.now()),
    profile: toUser(user),
    email_verified_at: timestampOrNull(user.emailVerifiedAt),
    sessions: await sessionsOf(reading),
    factors: await factorsOf(reading),
    recovery_codes_left: await db.$count(recoveryCodes, eq(recoveryCodes.userId, userId)),
    api_keys: await apiKeysOf(reading),
    apps: await appsOf(reading),
    links: await linksOf(reading),
    former_accounts: await formerAccountsOf(reading),
  }
}

async function sessionsOf({ database, db, userId, sessionId }: Reading): Promise<Document['sessions']> {
  const rows = await keptSessions(database, db, { userId, max: PIECES_MAX })
  return rows.map((row) => {
    // As in the list of sessions: the exact time of the last refresh would tell a thief when to replay the token.
    const usedAt = row.id === sessionId ? Date.now() : row.lastUsedAt
    return {
      id: row.id,
      kind: row.kind,
      client_id: row.clientId,
      scope: row.scope,
      ip: row.ip,
      user_agent: row.userAgent,
      amr: row.amr,
      created_at: timestamp(row.createdAt),
      last_used_at: timestamp(Math.max(row.createdAt, usedAt - (usedAt % MINUTE_MS))),
      expires_at: timestamp(Math.min(row.idleExpiresAt, row.expiresAt)),
      ended_at: timestampOrNull(row.revokedAt),
    }
  })
}

async function factorsOf({ database, db, userId }: Reading): Promise<Document['factors']> {
  const { factors } = database.tables
  const rows = await db
    .select()
    .from(factors)
    .where(eq(factors.userId, userId))
    .orderBy(asc(factors.createdAt), asc(factors.id))
  return rows.map(({ id, kind, name, createdAt, confirmedAt, lastUsedAt }) => ({
    id,
    type: kind,
    name,
    created_at: timestamp(createdAt),
    confirmed_at: timestampOrNull(confirmedAt),
    last_used_at: timestampOrNull(lastUsedAt),
  }))
}

async function apiKeysOf({ database, db, userId }: Reading): Promise<Document['api_keys']> {
  const { apiKeys } = database.tables
  const rows = await db
    .select()
    .from(apiKeys)
    .where(eq(apiKeys.userId, userId))
    .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
    .limit(PIECES_MAX)
  return rows.map(({ id, name, scope, createdAt, expiresAt, lastUsedAt, revokedAt }) => ({
    id,
    name,
    scope,
    created_at: timestamp(createdAt),
    expires_at: timestamp(expiresAt),
    last_used_at: timestampOrNull(lastUsedAt),
    revoked_at: timestampOrNull(revokedAt),
  }))
}

async function appsOf({ database, db, userId }: Reading): Promise<Document['apps']> {
  const { clients, consents } = database.tables
  const rows = await db
    .select({ id: consents.clientId, name: clients.name, scope: consents.scope, grantedAt: consents.grantedAt })
    .from(consents)
    .leftJoin(clients, eq(clients.id, consents.clientId))
    .where(eq(consents.userId, userId))
    .orderBy(asc(consents.clientId))
    .limit(PIECES_MAX)
  return rows.map(({ id, name, scope, grantedAt }) => ({
    client_id: id,
    client_name: name,
    scope,
    granted_at: timestamp(grantedAt),
  }))
}

async function linksOf({ database, db, userId }: Reading): Promise<Document['links']> {
  const { oneTimeTokens: links } = database.tables
  const rows = await db.select().from(links).where(eq(links.userId, userId)).orderBy(asc(links.purpose))
  return rows.map(({ purpose, target, createdAt, expiresAt }) => ({
    purpose,
    address: target || null,
    created_at: timestamp(createdAt),
    expires_at: timestamp(expiresAt),
  }))
}

async function formerAccountsOf({ database, db, userId }: Reading): Promise<Document['former_accounts']> {
  const { importedIds } = database.tables
  return db
    .select({ id: importedIds.oldId, name: importedIds.oldName })
    .from(importedIds)
    .where(and(eq(importedIds.kind, 'user'), eq(importedIds.newId, userId)))
    .orderBy(asc(importedIds.id))
    .limit(PIECES_MAX)
}
