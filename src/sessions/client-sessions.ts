import { and, desc, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { afterCommit, type Database, type Tables, within } from '../database/database.js'
import { type FactorPolicy, hasNeededFactor } from '../database/factor-policy.js'
import { tokens } from '../telemetry/channels.js'
import type { Keys } from '../tokens/signing-keys.js'
import { columnOfUser, hasConsent, revocationColumns, sessionConditions } from './conditions.js'
import type { Endings } from './endings.js'
import { type Sessions, userAgentOf } from './sessions.js'
import { newSession, numberParameter, sessionCount, textParameter } from './statements.js'
import type { AccessToken, TokenPairs, Tokens } from './token-pairs.js'

/** The most live sessions of a user with one client. A further log-in ends the oldest session. */
const SESSIONS_PER_CLIENT = 20
const OVER_THE_LIMIT = { type: 'session.ended', reason: `over the limit of ${SESSIONS_PER_CLIENT} sessions` } as const

/** The grant of a user at /authorize. The grant expires unless the client redeems the code. */
interface Authorization {
  sessionId: string
  clientId: string
  userId: number
  /** The browser session of the grant. The client session ends with it, unless `isOffline`. */
  parentId: string
  authVersion: number
  scope: string
  audience: string
  amr: string
  /** In milliseconds since 1970, like `expiresAt`. */
  authTime: number
  expiresAt: number
  /** Whether the client gets refresh tokens. Without them the session lives as long as its access token. */
  isRefreshable: boolean
  /** Whether the session outlives the browser session. */
  isOffline: boolean
  /** Whether the session requires a consent that the user has not revoked. */
  needsConsent: boolean
}

/** The user data that a client may receive, as read when the session was created. */
export type AuthorizedUser = Pick<
  Tables['users']['$inferSelect'],
  'name' | 'username' | 'locale' | 'email' | 'emailVerifiedAt' | 'roles'
>

interface Dependencies {
  config: Config
  database: Database
  keys: Keys
  pairs: TokenPairs
  events: Events
  endings: Endings
  sessions: Sessions
}

/** Sessions of clients other than Latchkey itself. Each session is created with an authorization code. */
export class ClientSessions {
  readonly #database: Database
  readonly #policy: FactorPolicy
  readonly #keys: Keys
  readonly #pairs: TokenPairs
  readonly #events: Events
  readonly #sessions: Sessions
  readonly #endings: Endings
  readonly #lifetimes: Record<'refreshable' | 'short', Record<'idle' | 'absolute' | 'token', number>>
  #statements: ReturnType<typeof prepareStatements> | undefined

  constructor({ config, database, keys, pairs, events, endings, sessions }: Dependencies) {
    this.#database = database
    this.#policy = config.MFA
    this.#keys = keys
    this.#pairs = pairs
    this.#events = events
    this.#endings = endings
    this.#sessions = sessions
    const { ACCESS_TOKEN_TTL, REFRESH_IDLE_TTL, REFRESH_ABSOLUTE_TTL } = config
    this.#lifetimes = {
      refreshable: { idle: REFRESH_IDLE_TTL, absolute: REFRESH_ABSOLUTE_TTL, token: ACCESS_TOKEN_TTL },
      short: { idle: ACCESS_TOKEN_TTL, absolute: ACCESS_TOKEN_TTL, token: ACCESS_TOKEN_TTL },
    }
  }

  /**
   * Creates the session with this id. Resolves to its access token and its user. Undefined if the authorization has
   * expired, the browser session has ended, or the account has changed. If the session exists already, the code was
   * used twice: ends that session, and resolves to undefined.
   */
  async begin(
    authorization: Authorization,
    client: Client,
  ): Promise<{ token: AccessToken | Tokens; user: AuthorizedUser } | undefined> {
    this.#keys.assertCanSign()
    const { sessionId, clientId, userId, scope, audience, amr, authTime } = authorization
    this.#statements ??= prepareStatements(this.#database, this.#policy)
    const { insert, endOldest } = this.#statements
    const { isRefreshable, isOffline, needsConsent } = authorization
    const lifetimes = isRefreshable ? this.#lifetimes.refreshable : this.#lifetimes.short
    const row = await this.#database.transaction(async (db) => {
      const origin = { ip: client.ip, userAgent: userAgentOf(client) }
      const parameters = {
        ...authorization,
        id: sessionId,
        kind: 'api',
        ...origin,
        ...lifetimes,
        isOffline: isOffline ? 1 : 0,
        needsConsent: needsConsent ? 1 : 0,
      }
      const [row] = await within(db, insert).execute(parameters)
      if (row === undefined) return undefined
      const reason = `code of ${clientId}`
      await this.#events.record({ type: 'login.succeeded', userId, sessionId, reason }, client, db)
      if (row.sessionCount >= SESSIONS_PER_CLIENT) {
        const oldest = await within(db, endOldest).execute({ userId, clientId })
        await this.#endings.record(db, oldest, OVER_THE_LIMIT, client)
      }
      afterCommit(db, () => tokens.publish({ grant: 'authorization_code', client: clientId }))
      return row
    })
    if (row === undefined) {
      await this.#sessions.revoke(sessionId, client)
      return undefined
    }
    const { role, roles } = row
    const grant = { userId, sessionId, clientId, scope, audience, role, roles, proof: { amr, authTime } }
    return { token: isRefreshable ? this.#pairs.make(grant, 0) : this.#pairs.accessToken(grant), user: row }
  }
}

function prepareStatements(database: Database, policy: FactorPolicy) {
  const { db, tables, now } = database
  const { sessions } = tables
  const { isLive, isOfClient } = sessionConditions(database, policy)
  const ofUserAndClient = and(eq(sessions.userId, sql.placeholder('userId')), isOfClient, isLive)
  const tooMany = db
    .select({ id: sessions.id })
    .from(sessions)
    .where(ofUserAndClient)
    .orderBy(desc(sessions.createdAt), desc(sessions.id))
    .limit(SESSIONS_PER_CLIENT)
    .offset(SESSIONS_PER_CLIENT)
  return {
    insert: prepareInsert(database, policy),
    endOldest: db
      .update(sessions)
      .set({ revokedAt: now })
      .where(and(isNull(sessions.revokedAt), inArray(sessions.id, tooMany)))
      .returning(revocationColumns(tables))
      .prepare('end_oldest_client_sessions'),
  }
}

/** A single statement with a unique id, so that only one of several exchanges of a code succeeds. */
function prepareInsert(database: Database, policy: FactorPolicy) {
  const { db, tables, now, forShare } = database
  const { sessions, users } = tables
  const parent = alias(sessions, 'parent')
  const isAgreedTo = hasConsent(database, users.id, sql`${sql.placeholder('clientId')}`)
  return db
    .insert(sessions)
    .select(
      db
        .select({
          ...newSession(database),
          scope: textParameter('scope').as('scope'),
          parentId: sql`case when ${numberParameter('isOffline')} = 1 then null else ${parent.id} end`.as('parent_id'),
          authTime: numberParameter('authTime').as('auth_time'),
        })
        .from(users)
        .innerJoin(parent, eq(parent.userId, users.id))
        .where(
          sql`${and(
            eq(parent.id, sql.placeholder('parentId')),
            eq(parent.kind, 'browser'),
            isNull(parent.revokedAt),
            gt(parent.idleExpiresAt, now),
            eq(users.id, sql.placeholder('userId')),
            eq(users.isActive, true),
            hasNeededFactor(database, policy),
            eq(users.authVersion, sql.placeholder('authVersion')),
            sql`${now} < ${numberParameter('expiresAt')}`,
            or(sql`${numberParameter('needsConsent')} = 0`, isAgreedTo),
          )} ${forShare}`,
        ),
    )
    .onConflictDoNothing()
    .returning({
      role: columnOfUser(tables, users.role),
      roles: columnOfUser(tables, users.roles),
      name: columnOfUser(tables, users.name),
      username: columnOfUser(tables, users.username),
      locale: columnOfUser(tables, users.locale),
      email: columnOfUser(tables, users.email),
      emailVerifiedAt: columnOfUser(tables, users.emailVerifiedAt),
      sessionCount: sessionCount(database),
    })
    .prepare('insert_client_session')
}
