import { createHash, randomBytes } from 'node:crypto'
import { and, asc, eq, gt, isNull, type SQL, sql } from 'drizzle-orm'
import type { UserActor } from '../audit/actors.js'
import type { Event, Events } from '../audit/events.js'
import type { Config } from '../config/config.js'
import { afterCommit, type Database, type Db } from '../database/database.js'
import { Problem } from '../problems.js'
import { assertStillAdmin } from '../sessions/actor-checks.js'
import type { KnownClients } from './known-clients.js'
import { type ClientRow, type OAuthClient, toOAuthClient } from './oauth-clients.js'
import { assertClientId, assertRegistration, columnsOf, type Registration } from './registration.js'

// A secret is "lks_" and base64url of 32 random bytes: form-encoding leaves it unchanged, so clients may skip it for
// Basic.
const SECRET_PREFIX = 'lks_'
const SECRET_BYTES = 32

interface Dependencies {
  config: Config
  database: Database
  events: Events
  known: KnownClients
}

/** A client, with its new secret if it has one, which is returned only here. */
interface Registered {
  client: OAuthClient
  secret: string | undefined
}

/**
 * Registers clients for admins and the command line. Each change shares a transaction with its event. A client_id is
 * never reused: the row of a deleted client stays.
 */
export class Clients {
  readonly #config: Config
  readonly #database: Database
  readonly #events: Events
  readonly #known: KnownClients

  constructor({ config, database, events, known }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#events = events
    this.#known = known
  }

  /** The clients after this id, in the order of their ids. */
  async list(limit: number, after = ''): Promise<OAuthClient[]> {
    const { db, tables } = this.#database
    const { clients } = tables
    const rows = await db
      .select()
      .from(clients)
      .where(and(gt(clients.id, after), isNull(clients.deletedAt)))
      .orderBy(asc(clients.id))
      .limit(limit)
    return rows.map(toOAuthClient)
  }

  /** The client of this id. @throws Problem not_found */
  async get(id: string): Promise<OAuthClient> {
    const { db } = this.#database
    const [row] = await db.select().from(this.#database.tables.clients).where(this.#is(id))
    if (row === undefined) throw new Problem('not_found')
    return toOAuthClient(row)
  }

  /** Registers a client. @throws Problem client_rejected, client_id_taken */
  async create(id: string, registration: Registration, actor: UserActor): Promise<Registered> {
    const { tables, now } = this.#database
    assertClientId(id)
    assertRegistration(registration, this.#config)
    const secret = hasSecret(registration.token_endpoint_auth_method) ? newSecret() : undefined
    const secretHash = secret === undefined ? null : hashOfSecret(secret)
    const client = await this.#database.transaction(async (db) => {
      await assertStillAdmin(this.#database, db, actor)
      const [row] = await db
        .insert(tables.clients)
        .values({ ...columnsOf(registration), id, secretHash, createdAt: now, updatedAt: now })
        .onConflictDoNothing()
        .returning()
      if (row === undefined) throw new Problem('client_id_taken')
      return this.#done(db, row, 'client.created', actor)
    })
    return { client, secret }
  }

  /**
   * Changes the registration, or disables the client.
   * @throws Problem not_found, client_rejected, for example if the new token_endpoint_auth_method needs a secret and
   * the client has none, or the reverse
   */
  update(id: string, changes: Partial<Registration> & { is_active?: boolean }, actor: UserActor): Promise<OAuthClient> {
    const { is_active: isActive, ...registered } = changes
    return this.#database.transaction(async (db) => {
      await assertStillAdmin(this.#database, db, actor)
      const before = await this.#lock(db, id)
      const registration = { ...toRegistration(toOAuthClient(before)), ...registered }
      assertRegistration(registration, this.#config)
      const columns = { ...columnsOf(registration), isActive: isActive ?? before.isActive }
      if (hasSecret(before.authMethod) !== hasSecret(columns.authMethod)) {
        throw new Problem('client_rejected', {
          detail: 'A client cannot change from a secret to none, or back: register another client.',
        })
      }
      const changed = Object.entries(columns).filter(([name, value]) => before[name as keyof ClientRow] !== value)
      if (changed.length === 0) return toOAuthClient(before)
      const row = await this.#set(db, id, Object.fromEntries(changed))
      if (row.isActive !== before.isActive) {
        await this.#record(db, row.isActive ? 'client.enabled' : 'client.disabled', id, actor)
      }
      const names = changed.map(([name]) => name).filter((name) => name !== 'isActive')
      if (names.length === 0) return this.#remember(db, row)
      return this.#done(db, row, 'client.updated', actor, names.join(' '))
    })
  }

  /**
   * Adds a secret. The previous one stays valid until `endOlderSecret`; with `atOnce`, after a leak, only the new one
   * is valid.
   * @throws Problem not_found, too_many_secrets, client_rejected if the client authenticates without a secret
   */
  async addSecret(
    id: string,
    actor: UserActor,
    { atOnce = false } = {},
  ): Promise<{ client: OAuthClient; secret: string }> {
    const { clients } = this.#database.tables
    const secret = newSecret()
    const client = await this.#database.transaction(async (db) => {
      await assertStillAdmin(this.#database, db, actor)
      const before = await this.#lock(db, id)
      if (!hasSecret(before.authMethod)) {
        throw new Problem('client_rejected', { detail: `A client with ${before.authMethod} has no secret.` })
      }
      if (before.olderSecretHash !== null && !atOnce) throw new Problem('too_many_secrets')
      const olderSecretHash = atOnce ? null : sql`${clients.secretHash}`
      const row = await this.#set(db, id, { secretHash: hashOfSecret(secret), olderSecretHash })
      if (atOnce) await this.#record(db, 'client.secret_ended', id, actor)
      return this.#done(db, row, 'client.secret_added', actor)
    })
    return { client, secret }
  }

  /** Removes the older of two secrets; does nothing if there is only one. @throws Problem not_found */
  endOlderSecret(id: string, actor: UserActor): Promise<OAuthClient> {
    return this.#database.transaction(async (db) => {
      await assertStillAdmin(this.#database, db, actor)
      const before = await this.#lock(db, id)
      if (before.olderSecretHash === null) return toOAuthClient(before)
      return this.#done(db, await this.#set(db, id, { olderSecretHash: null }), 'client.secret_ended', actor)
    })
  }

  /** Deletes a client: revokes its tokens, and reserves its id for ever. @throws Problem not_found */
  delete(id: string, actor: UserActor): Promise<void> {
    const { now } = this.#database
    return this.#database.transaction(async (db) => {
      await assertStillAdmin(this.#database, db, actor)
      await this.#lock(db, id)
      const nothing = { scope: '', resources: '', grantTypes: '', redirectUris: '', postLogoutRedirectUris: '' }
      const noKeys = { secretHash: null, olderSecretHash: null, jwks: null }
      const row = await this.#set(db, id, { ...nothing, ...noKeys, name: '', isActive: false, deletedAt: now })
      await this.#done(db, row, 'client.deleted', actor)
    })
  }

  #is(id: string) {
    const { clients } = this.#database.tables
    return and(eq(clients.id, id), isNull(clients.deletedAt))
  }

  async #lock(db: Db, id: string): Promise<ClientRow> {
    const { tables, forUpdate } = this.#database
    const [row] = await db
      .select()
      .from(tables.clients)
      .where(sql`${this.#is(id)} ${forUpdate}`)
    if (row === undefined) throw new Problem('not_found')
    return row
  }

  async #set(db: Db, id: string, columns: Record<string, unknown | SQL>): Promise<ClientRow> {
    const { tables, now } = this.#database
    const [row] = await db
      .update(tables.clients)
      .set({ ...columns, updatedAt: now })
      .where(eq(tables.clients.id, id))
      .returning()
    if (row === undefined) throw new Problem('not_found')
    return row
  }

  async #done(db: Db, row: ClientRow, type: Event['type'], actor: UserActor, what?: string): Promise<OAuthClient> {
    await this.#record(db, type, row.id, actor, what)
    return this.#remember(db, row)
  }

  #remember(db: Db, row: ClientRow): OAuthClient {
    afterCommit(db, () => this.#known.learn([row]))
    return toOAuthClient(row)
  }

  async #record(
    db: Db,
    type: Event['type'],
    id: string,
    { id: actorId, client }: UserActor,
    what?: string,
  ): Promise<void> {
    const reason = what === undefined ? id : `${id}: ${what}`
    await this.#events.record({ type, userId: null, actorId, reason }, client, db)
  }
}

/** The registration of a client, with the names of RFC 7591. */
export function toRegistration(client: OAuthClient): Registration {
  return {
    client_name: client.name,
    token_endpoint_auth_method: client.authMethod,
    grant_types: [...client.grantTypes] as Registration['grant_types'],
    scope: client.scopes.join(' '),
    resources: [...client.resources],
    redirect_uris: [...client.redirectUris],
    post_logout_redirect_uris: [...client.postLogoutRedirectUris],
    jwks: client.jwks === undefined ? null : { keys: [...client.jwks.keys] },
    id_token_signed_response_alg: client.idTokenAlgorithm,
    require_pkce: client.requiresPkce,
    first_party: client.isFirstParty,
  }
}

/** SHA-256 of a secret, as stored. The secret has 256 random bits, so that no slow hash is needed. */
function hashOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

function hasSecret(method: ClientRow['authMethod']): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post'
}

function newSecret(): string {
  return `${SECRET_PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`
}
