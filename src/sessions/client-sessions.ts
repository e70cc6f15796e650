import { and, eq, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { afterCommit, type Database, within } from '../database/database.js'
import { tokens } from '../telemetry/channels.js'
import { claimsFor, type Role } from '../tokens/access-tokens.js'
import type { Keys } from '../tokens/signing-keys.js'
import { TOKEN_SLACK_MS } from './conditions.js'
import type { Sessions } from './sessions.js'
import type { AccessToken } from './token-pairs.js'

const USER_AGENT_LENGTH = 256

/** What a user has agreed to, proved at /authorize, and when it ends if nobody comes for it. */
export interface Authorization {
  sessionId: string
  clientId: string
  userId: number
  authVersion: number
  scope: string
  audience: string
  amr: string
  /** In milliseconds since 1970, as the next. */
  authTime: number
  expiresAt: number
}

interface Dependencies {
  config: Config
  database: Database
  keys: Keys
  events: Events
  sessions: Sessions
}

/** Sessions of other clients: each begins with an authorization code. */
export class ClientSessions {
  readonly #config: Config
  readonly #database: Database
  readonly #keys: Keys
  readonly #events: Events
  readonly #sessions: Sessions
  #insert: ReturnType<typeof prepareInsert> | undefined

  constructor({ config, database, keys, events, sessions }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#keys = keys
    this.#events = events
    this.#sessions = sessions
  }

  /**
   * Begins the session of this id, once, and resolves to its access token. Where it began before, it ends. Undefined then, and
   * when the authorization has expired or the account changed since.
   */
  async begin(authorization: Authorization, client: Client): Promise<AccessToken | undefined> {
    this.#keys.assertCanSign()
    const { sessionId, clientId, userId, scope, audience, amr, authTime } = authorization
    this.#insert ??= prepareInsert(this.#database, this.#config)
    const insert = this.#insert
    const userAgent = client.userAgent?.slice(0, USER_AGENT_LENGTH) ?? null
    const row = await this.#database.transaction(async (db) => {
      const [row] = await within(db, insert).execute({ ...authorization, ip: client.ip, userAgent })
      if (row === undefined) return undefined
      const reason = `code of ${clientId}`
      await this.#events.record({ type: 'login.succeeded', userId, sessionId, reason }, client, db)
      afterCommit(db, () => tokens.publish({ grant: 'authorization_code', client: clientId }))
      return row
    })
    if (row === undefined) {
      await this.#sessions.revoke(sessionId, client)
      return undefined
    }
    const { PUBLIC_URL, ACCESS_TOKEN_TTL } = this.#config
    const claims = claimsFor({
      ...{ issuer: PUBLIC_URL, audience, userId, sessionId, clientId, scope, role: row.role },
      ...(scope.split(' ').includes('roles') && { roles: row.roles }),
      proof: { amr, authTime },
      lifetimeMs: ACCESS_TOKEN_TTL,
    })
    return { access_token: this.#keys.sign(claims), token_type: 'Bearer', expires_in: claims.exp - claims.iat }
  }
}

/** One statement, so that of several exchanges of a code one wins. The session lives as long as its access token. */
function prepareInsert({ db, tables, now, forShare }: Database, config: Config) {
  const { sessions, users } = tables
  const text = (name: string) => sql<string>`cast(${sql.placeholder(name)} as text)`
  const number = (name: string) => sql<number>`cast(${sql.placeholder(name)} as bigint)`
  const end = sql`${now} + ${config.ACCESS_TOKEN_TTL}`
  return db
    .insert(sessions)
    .select(
      db
        .select({
          id: text('sessionId').as('id'),
          userId: users.id,
          generation: sql`0`.as('generation'),
          ip: text('ip').as('ip'),
          userAgent: text('userAgent').as('user_agent'),
          createdAt: sql`${now}`.as('created_at'),
          lastUsedAt: sql`${now}`.as('last_used_at'),
          idleExpiresAt: sql`${end}`.as('idle_expires_at'),
          expiresAt: sql`${end}`.as('expires_at'),
          tokenExpiresAt: sql`${end} + ${TOKEN_SLACK_MS}`.as('token_expires_at'),
          revokedAt: sql`cast(null as bigint)`.as('revoked_at'),
          repetitions: sql`0`.as('repetitions'),
          kind: sql`'api'`.as('kind'),
          clientId: text('clientId').as('client_id'),
          scope: text('scope').as('scope'),
          parentId: sql`cast(null as text)`.as('parent_id'),
          amr: text('amr').as('amr'),
          authTime: number('authTime').as('auth_time'),
        })
        .from(users)
        .where(
          sql`${and(
            eq(users.id, sql.placeholder('userId')),
            eq(users.isActive, true),
            eq(users.authVersion, sql.placeholder('authVersion')),
            sql`${now} < ${number('expiresAt')}`,
          )} ${forShare}`,
        ),
    )
    .onConflictDoNothing()
    .returning({
      role: sql<Role>`(select ${users.role} from ${users} where ${users.id} = ${sessions.userId})`.as('role'),
      roles: sql<string>`(select ${users.roles} from ${users} where ${users.id} = ${sessions.userId})`.as('roles'),
    })
    .prepare('insert_client_session')
}
