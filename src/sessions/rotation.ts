import { and, isNull, lt, not, sql } from 'drizzle-orm'
import { type Events, ownEvent } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { type Database, within } from '../database/database.js'
import { isSameNetwork } from '../networks.js'
import { Problem } from '../problems.js'
import { tokens } from '../telemetry/channels.js'
import { CLIENT_ID } from '../tokens/access-tokens.js'
import type { RefreshClaims } from '../tokens/refresh-tokens.js'
import type { Keys } from '../tokens/signing-keys.js'
import { columnOfUser, hasConsent, revocationColumns, sessionConditions, TOKEN_SLACK_MS } from './conditions.js'
import type { Endings } from './endings.js'
import type { TokenPairs, Tokens } from './token-pairs.js'

/** How often the previous refresh token may be repeated within the reuse window. */
const REPETITIONS = 3
/** The event has no actor: the sender may be the thief or the owner. */
const REUSE = { type: 'session.reuse_detected', actorId: null } as const

interface Dependencies {
  config: Config
  database: Database
  keys: Keys
  pairs: TokenPairs
  events: Events
  endings: Endings
}

/** The conditions under which a client other than Latchkey gets the tokens of a session. */
export interface ClientTerms {
  clientId: string
  audience: string
  /** Whether the session requires a consent that the user has not revoked. */
  needsConsent: boolean
  /**
   * The scope of the new access token. @throws OAuthError invalid_scope when the client requests more than was granted
   */
  scopeWithin(granted: string): string
}

/** The refreshed session of another client, with the scope of the new access token. */
export interface RefreshedSession {
  userId: number
  scope: string
  parentId: string | null
  amr: string
  authTime: number
}

/** Rotates refresh tokens and detects reuse: RFC 9700 section 4.14. */
export class Rotation {
  readonly #database: Database
  readonly #keys: Keys
  readonly #pairs: TokenPairs
  readonly #events: Events
  readonly #endings: Endings
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor({ config, database, keys, pairs, events, endings }: Dependencies) {
    this.#database = database
    this.#keys = keys
    this.#pairs = pairs
    this.#events = events
    this.#endings = endings
    this.#statements = prepareStatements(database, config)
  }

  /** The claims of an authentic refresh token of any generation; otherwise undefined. Does not query the database. */
  authenticate(token: string): RefreshClaims | undefined {
    return this.#pairs.read(token)
  }

  /**
   * Exchanges a refresh token (or the claims from `authenticate`) for the next token pair. Within the reuse window, the
   * previous token gets the same successor again, at most three times; further attempts are refused. Reuse of any older
   * token ends the session, because the sender may be a thief. A refresh token of another client works only with the
   * terms of that client. For any other sender that token is invalid, and the session continues.
   * @throws Problem invalid_grant
   */
  async refresh(token: string | RefreshClaims, client: Client): Promise<Tokens> {
    return (await this.#refresh(token, client)).tokens
  }

  /** Like `refresh`, for another client. Also resolves to the session. */
  async refreshFor(terms: ClientTerms, token: string, client: Client) {
    const { tokens, session } = await this.#refresh(token, client, terms)
    return { tokens, session: { ...session, scope: tokens.scope ?? '' } satisfies RefreshedSession }
  }

  async #refresh(token: string | RefreshClaims, client: Client, terms?: ClientTerms) {
    const claims = typeof token === 'string' ? this.authenticate(token) : token
    if (claims === undefined) throw new Problem('invalid_grant')
    this.#keys.assertCanSign()
    const { sessionId } = claims
    const { ip, requestId = null } = client
    const presented = { ...claims, clientId: terms?.clientId ?? CLIENT_ID }
    const granted = terms && (await this.#grantTo(terms, sessionId))
    const [rotated] = await this.#statements.rotate.execute({ ...presented, ip, requestId })
    const row = rotated ?? (await this.#rotateAgain(presented, client))
    if (row === undefined) {
      await this.#endings.end((db) => within(db, this.#statements.revokeReused).execute(presented), REUSE, client)
      throw new Problem('invalid_grant')
    }
    const { userId, role, roles, generation, parentId, amr, authTime } = row
    tokens.publish({ grant: 'refresh_token', ...(terms && { client: terms.clientId }) })
    const grant = { userId, sessionId, role, roles, proof: { amr, authTime }, ...granted }
    return { tokens: this.#pairs.make(grant, generation), session: { userId, parentId, amr, authTime } }
  }

  /**
   * The client, audience and scope of a grant to another client. Checked before the rotation, so that a refused scope
   * does not use up the refresh token.
   */
  async #grantTo({ clientId, audience, needsConsent, scopeWithin }: ClientTerms, sessionId: string) {
    const [session] = await this.#statements.selectScope.execute({ sessionId, clientId })
    // Checks the consent again: the client may have been first-party when the session began, without a consent.
    const isAllowed = session !== undefined && (session.hasConsent === 1 || !needsConsent)
    if (!isAllowed) throw new Problem('invalid_grant')
    return { clientId, audience, scope: scopeWithin(session.scope ?? '') }
  }

  /**
   * Repeats the last rotation and records the event. Resolves to the session row, or to undefined if no repetition is
   * allowed.
   */
  #rotateAgain(claims: RefreshClaims & { clientId: string }, client: Client) {
    return this.#database.transaction(async (db) => {
      const [row] = await within(db, this.#statements.rotateAgain).execute({ ...claims })
      if (row === undefined) return undefined
      const { userId, ip } = row
      // A different network may be a phone that left the Wi-Fi during a refresh, or a thief. The event records the
      // change.
      const event = isSameNetwork(ip, client.ip)
        ? ({ type: 'session.refreshed' } as const)
        : ({ type: 'session.refresh_repeated', reason: `first used from ${ip}` } as const)
      await this.#events.record({ ...event, userId, sessionId: claims.sessionId }, client, db)
      return row
    })
  }
}

/** Each change is one conditional statement, so that only one of several concurrent refreshes succeeds. */
function prepareStatements(database: Database, config: Config) {
  const { db, tables, now } = database
  const { sessions, users } = tables
  const { sessionId, isOfClient, isLive, ofLiveParent, ofActiveUser } = sessionConditions(database, config.MFA)
  const presented = sql`cast(${sql.placeholder('generation')} as bigint)`
  const idleExpiry = sql`${now} + ${config.REFRESH_IDLE_TTL}`
  const tokenExpiry = sql`${now} + ${config.ACCESS_TOKEN_TTL + TOKEN_SLACK_MS}`
  const isInWindow = sql`(${sessions.generation} = ${presented} + 1 and ${sessions.lastUsedAt} + ${config.REFRESH_REUSE_WINDOW} > ${now})`
  const rotation = {
    userId: sessions.userId,
    generation: sessions.generation,
    role: columnOfUser(tables, users.role),
    roles: columnOfUser(tables, users.roles),
    ip: sessions.ip,
    parentId: sessions.parentId,
    amr: sessions.amr,
    authTime: sessions.authTime,
  }
  const isAgreedTo = hasConsent(database, sessions.userId, sessions.clientId)
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
    .where(and(sessionId, isOfClient, sql`${sessions.generation} = ${presented}`, isLive, ofLiveParent, ofActiveUser))
    .returning(rotation)

  return {
    /** Also writes its event. */
    rotate: database.prepareRecorded('rotate_session', rotate, {
      into: tables.events,
      values: ({ userId }) => ownEvent('session.refreshed', userId, database),
    }),
    selectScope: db
      .select({ scope: sessions.scope, hasConsent: sql`case when ${isAgreedTo} then 1 else 0 end`.mapWith(Number) })
      .from(sessions)
      .where(and(sessionId, isOfClient))
      .prepare('select_session_scope'),
    rotateAgain: db
      .update(sessions)
      .set({ tokenExpiresAt: tokenExpiry, repetitions: sql`${sessions.repetitions} + 1` })
      .where(
        and(
          sessionId,
          isOfClient,
          isInWindow,
          lt(sessions.repetitions, REPETITIONS),
          isLive,
          ofLiveParent,
          ofActiveUser,
        ),
      )
      .returning(rotation)
      .prepare('rotate_session_again'),
    revokeReused: db
      .update(sessions)
      .set({ revokedAt: now })
      // Only browser sessions have children, and browser sessions have no refresh tokens.
      .where(
        and(
          sessionId,
          isOfClient,
          sql`${sessions.generation} > ${presented}`,
          not(isInWindow),
          isNull(sessions.revokedAt),
        ),
      )
      .returning(revocationColumns(tables))
      .prepare('revoke_reused_session'),
  }
}
