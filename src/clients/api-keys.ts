import { randomUUID } from 'node:crypto'
import { and, eq, gt, isNotNull, isNull, lt, or, sql } from 'drizzle-orm'
import type { AccountOwner } from '../audit/actors.js'
import type { Event, Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import { deleteInBatches } from '../database/batches.js'
import { RECENT_MS } from '../database/changed-rows.js'
import { afterCommit, type Database, type Db, within } from '../database/database.js'
import { Problem } from '../problems.js'
import { assertSession } from '../sessions/actor-checks.js'
import type { Revocations } from '../sessions/revocations.js'
import { CLIENT_ID, type Role, type UserCaller } from '../tokens/access-tokens.js'
import type { DataKey } from '../tokens/data-key.js'
import { type ApiKeyRow, isLive, prepareKeyList } from './api-key-lists.js'
import { hashOfApiKey, isAuthenticKey, makeApiKey } from './api-key-texts.js'
import { isForKeys, storedScope, wordsOf } from './scopes.js'

const KEYS_PER_USER = 100
/** How long a process caches a key before it reads the key again: the owner's role may have changed. */
const KNOWN_FOR_MS = 60_000
/** Revoked keys are kept until no process can still have them cached as valid. */
const KEPT_MS = 120_000
const USED_WRITTEN_EVERY_MS = 60_000

interface NewKey {
  name: string
  scope: string
  /** In milliseconds since 1970. */
  expiresAt: number
}

interface Dependencies {
  database: Database
  dataKey: DataKey
  events: Events
  revocations: Revocations
}

/**
 * API keys that users make for their own scripts: bearer tokens with a scope and an expiry, which never allow more than
 * their owner may do.
 */
export class ApiKeys {
  readonly #database: Database
  readonly #checkKey: Buffer
  readonly #events: Events
  readonly #revocations: Revocations
  readonly #statements: ReturnType<typeof prepareStatements>
  /** Keys used since the last poll. */
  readonly #used = new Set<string>()
  /** When the last use of a key was written, by this process's monotonic clock. */
  readonly #writtenAt = new Map<string, number>()

  constructor({ database, dataKey, events, revocations }: Dependencies) {
    this.#database = database
    this.#checkKey = dataKey.derive('api-key')
    this.#events = events
    this.#revocations = revocations
    this.#statements = prepareStatements(database)
  }

  /** Makes a key. Its text is stored nowhere. @throws Problem key_rejected, too_many_rows, invalid_token */
  create(owner: AccountOwner & { role: Role }, asked: NewKey): Promise<{ key: string; row: ApiKeyRow }> {
    const { tables, now } = this.#database
    const refused = wordsOf(asked.scope).find((word) => !isForKeys(word, owner.role))
    if (refused !== undefined)
      throw new Problem('key_rejected', { detail: `Your keys cannot have the scope ${refused}.` })
    const key = makeApiKey(this.#checkKey)
    return this.#database.transaction(async (db) => {
      await this.#assertRoom(db, owner)
      const values = { name: asked.name, scope: storedScope(asked.scope), expiresAt: asked.expiresAt }
      const [row] = await db
        .insert(tables.apiKeys)
        .values({ ...values, id: randomUUID(), userId: owner.id, keyHash: hashOfApiKey(key), createdAt: now })
        .returning()
      if (row === undefined) throw new Problem('internal_error')
      await this.#record(db, { type: 'api_key.created', userId: owner.id, reason: row.id }, owner.client)
      return { key, row }
    })
  }

  /** The valid keys of a user, the newest first. */
  list(userId: number): PromiseLike<ApiKeyRow[]> {
    return this.#statements.list.execute({ userId })
  }

  /** Revokes a key of a user, at once in this process. False if the user has no such valid key. */
  revoke(userId: number, id: string, by: { actorId: number | null; client?: Client }): Promise<boolean> {
    return this.#database.transaction(async (db) => {
      const rows = await within(db, this.#statements.revoke).execute({ userId, id })
      this.#forget(db, rows)
      if (rows.length === 0) return false
      await this.#record(db, { type: 'api_key.revoked', userId, actorId: by.actorId, reason: id }, by.client)
      return true
    })
  }

  /** Revokes all keys of a user, within the transaction of `db`. Resolves to whether there were any. */
  async revokeAll(db: Db, userId: number): Promise<boolean> {
    const rows = await within(db, this.#statements.revokeAll).execute({ userId })
    this.#forget(db, rows)
    if (rows.length > 0) await this.#record(db, { type: 'api_keys.revoked', userId, actorId: null })
    return rows.length > 0
  }

  /** A valid key with its owner. A key that this service did not make costs no query. */
  async find(text: string) {
    if (!isAuthenticKey(text, this.#checkKey)) return undefined
    const [row] = await this.#statements.find.execute({ keyHash: hashOfApiKey(text) })
    return row
  }

  /** The caller that a key authenticates. Callers may cache the result until `expiresAt`, unless the key is revoked. */
  async identify(text: string): Promise<UserCaller | undefined> {
    const key = await this.find(text)
    if (key === undefined) return undefined
    const scopes = Object.freeze(wordsOf(key.scope).filter((word) => isForKeys(word, key.role)))
    return Object.freeze({
      kind: 'user',
      clientId: CLIENT_ID,
      scopes,
      expiresAt: Math.min(key.expiresAt, Date.now() + KNOWN_FOR_MS),
      userId: key.userId,
      sessionId: key.id,
      keyId: key.id,
      role: key.role,
      authTime: 0,
    })
  }

  /** Notes that a key was used. The next poll writes it, at most once a minute. */
  noteUse(id: string): void {
    if (!this.#writtenAt.has(id)) this.#used.add(id)
  }

  /** Reads which keys other processes revoked, and writes when keys were used. */
  async poll(): Promise<void> {
    const rows = await this.#statements.selectRevoked.execute({})
    this.#revocations.remember(rows.map(ended))
    const startedAt = performance.now()
    for (const [id, at] of this.#writtenAt) if (startedAt - at >= USED_WRITTEN_EVERY_MS) this.#writtenAt.delete(id)
    for (const id of this.#used) {
      this.#used.delete(id)
      this.#writtenAt.set(id, startedAt)
      await this.#statements.touch.execute({ id })
    }
  }

  /** Deletes revoked and expired keys. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { tables, now } = this.#database
    const { apiKeys: table } = tables
    const since = sql`${now} - ${KEPT_MS}`
    const where = or(lt(table.revokedAt, since), lt(table.expiresAt, since))
    await deleteInBatches(this.#database, { table, key: table.id, where, signal })
  }

  /** Locks the owner, so that concurrent requests cannot exceed the limit. */
  async #assertRoom(db: Db, actor: AccountOwner): Promise<void> {
    const { tables, now, forUpdate } = this.#database
    const { apiKeys, users } = tables
    const isActive = and(eq(users.id, actor.id), eq(users.isActive, true))
    const [owner] = await db.select({ id: users.id }).from(users).where(sql`${isActive} ${forUpdate}`)
    if (owner === undefined) throw new Problem('invalid_token')
    await assertSession(this.#database, db, actor)
    const isLive = and(eq(apiKeys.userId, actor.id), isNull(apiKeys.revokedAt), gt(apiKeys.expiresAt, now))
    if ((await db.$count(apiKeys, isLive)) >= KEYS_PER_USER) throw new Problem('too_many_rows')
  }

  #forget(db: Db, rows: { id: string; revokedAt: number | null }[]): void {
    afterCommit(db, () => this.#revocations.remember(rows.map(ended)))
  }

  #record(db: Db, event: Event, client?: Client): Promise<void> {
    return this.#events.record(event, client, db)
  }
}

/** A key as a revoked session, whose last token expires when no process can still have the key cached. */
function ended({ id, revokedAt }: { id: string; revokedAt: number | null }) {
  return { id, tokenExpiresAt: (revokedAt ?? 0) + KEPT_MS }
}

function prepareStatements(database: Database) {
  const { db, tables, now } = database
  const { apiKeys, users } = tables
  const isValid = isLive(database)
  const ofUser = eq(apiKeys.userId, sql.placeholder('userId'))
  const revocation = { id: apiKeys.id, revokedAt: apiKeys.revokedAt }
  const revoke = db.update(apiKeys).set({ revokedAt: now })
  return {
    find: db
      .select({
        id: apiKeys.id,
        userId: apiKeys.userId,
        scope: apiKeys.scope,
        createdAt: apiKeys.createdAt,
        expiresAt: apiKeys.expiresAt,
        role: users.role,
      })
      .from(apiKeys)
      .innerJoin(users, and(eq(users.id, apiKeys.userId), eq(users.isActive, true)))
      .where(and(eq(apiKeys.keyHash, sql.placeholder('keyHash')), isValid))
      .prepare('find_api_key'),
    list: prepareKeyList(database),
    revoke: revoke
      .where(and(eq(apiKeys.id, sql.placeholder('id')), ofUser, isValid))
      .returning(revocation)
      .prepare('revoke_api_key'),
    revokeAll: db
      .update(apiKeys)
      .set({ revokedAt: now })
      .where(and(ofUser, isNull(apiKeys.revokedAt)))
      .returning(revocation)
      .prepare('revoke_api_keys'),
    touch: db
      .update(apiKeys)
      .set({ lastUsedAt: now })
      .where(
        and(
          eq(apiKeys.id, sql.placeholder('id')),
          or(isNull(apiKeys.lastUsedAt), lt(apiKeys.lastUsedAt, sql`${now} - ${USED_WRITTEN_EVERY_MS}`)),
        ),
      )
      .returning({ id: apiKeys.id })
      .prepare('touch_api_key'),
    selectRevoked: db
      .select(revocation)
      .from(apiKeys)
      .where(and(isNotNull(apiKeys.revokedAt), gt(apiKeys.revokedAt, sql`${now} - ${RECENT_MS}`)))
      .prepare('select_revoked_api_keys'),
  }
}
