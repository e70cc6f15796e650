import { randomUUID } from 'node:crypto'
import type { Event, Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { compatAudience } from '../config/public-url.js'
import { afterCommit, type Database, type Db, within } from '../database/database.js'
import { isSameNetwork } from '../networks.js'
import { Problem } from '../problems.js'
import { logins, tokens } from '../telemetry/channels.js'
import { CLIENT_ID, CLOCK_SKEW_S, claimsFor, type Grant, type Role } from '../tokens/access-tokens.js'
import { endLegacyTokens } from '../tokens/legacy-tokens.js'
import { makeRefreshToken, type RefreshClaims, readRefreshToken } from '../tokens/refresh-tokens.js'
import type { Secret } from '../tokens/secret.js'
import { COMPAT_TOKEN_TYPE, type Keys } from '../tokens/signing-keys.js'
import type { KnownNetworks } from './known-networks.js'
import { endAllSessions, prepareSessionStatements, pruneSessions, SESSIONS_PER_KIND } from './statements.js'

/** All live revocations are read again this often. */
const POLL_ALL_MS = 60_000
/** Without a good poll for this long, a revocation elsewhere may have been missed. */
const STALE_AFTER_MS = 5_000
const USER_AGENT_LENGTH = 256
/** How a user proved who they are, in the words of RFC 8176. */
const PASSWORD = 'pwd'
const ENDED = { type: 'session.ended' } as const
/** Whoever comes with a token that was used before may be the thief, or who it was stolen from. */
const REUSE = { type: 'session.reuse_detected', actorId: null } as const

const OVER_THE_LIMIT = { type: 'session.ended', reason: `over the limit of ${SESSIONS_PER_KIND} sessions` } as const

export interface Tokens {
  access_token: string
  token_type: 'Bearer'
  expires_in: number
  refresh_token: string
}

/** Who has just proved who they are, with what the row of the user said when they did. */
export interface Proven {
  id: number
  role: Role
  /** Words with a space between them, as in the table. */
  roles: string
  authVersion: number
}

/** What a new session is: its kind (schema.pg.ts), and its lifetimes in milliseconds. */
interface SessionPlan extends Record<'idle' | 'absolute' | 'token', number> {
  kind: 'api' | 'compat'
}

type SessionEvent = Pick<Event, 'type' | 'actorId' | 'reason'>

interface Revocation {
  id: string
  userId: number
  tokenExpiresAt: number
}

interface Dependencies {
  config: Config
  database: Database
  keys: Keys
  secret: Secret
  events: Events
  knownNetworks: KnownNetworks
}

/** Sessions: a refresh token that rotates, the access tokens issued from it, and their end. */
export class Sessions {
  readonly #config: Config
  readonly #database: Database
  readonly #keys: Keys
  readonly #events: Events
  readonly #knownNetworks: KnownNetworks
  readonly #refreshKeys: readonly Buffer[]
  readonly #statements: ReturnType<typeof prepareSessionStatements>
  /** Ids of revoked sessions whose access tokens may still be alive, with the time when the last one is not. */
  readonly #revoked = new Map<string, number>()
  #polledAt = Number.NEGATIVE_INFINITY
  #polledAllAt = Number.NEGATIVE_INFINITY

  constructor({ config, database, keys, secret, events, knownNetworks }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#keys = keys
    this.#events = events
    this.#knownNetworks = knownNetworks
    this.#refreshKeys = secret.derive('refresh-token')
    this.#statements = prepareSessionStatements(database, config)
  }

  /**
   * Begins a session and records the log-in, unless it is part of another deed, in whose transaction `db` it is then done.
   * The row is inserted only if the user is still active, under the auth_version just proved, so that no log-in slips past a
   * change of the password or the role that was made while the password was verified.
   * @throws Problem invalid_credentials when there was such a change
   */
  async issue(user: Proven, client: Client, db?: Db): Promise<Tokens> {
    const { ACCESS_TOKEN_TTL, REFRESH_IDLE_TTL, REFRESH_ABSOLUTE_TTL } = this.#config
    const grant = await this.#logIn(db, user, client, {
      kind: 'api',
      idle: REFRESH_IDLE_TTL,
      absolute: REFRESH_ABSOLUTE_TTL,
      token: ACCESS_TOKEN_TTL,
    })
    return this.#tokens(grant, 0)
  }

  /**
   * Begins a session that is one access token of this lifetime (in milliseconds) and ends with it, as `issue` does. Its
   * audience and type are of its own and it has no role, so that other services do not take a token that lives so long.
   * @throws Problem invalid_credentials, as `issue`
   */
  async issueAccessToken(user: Proven, client: Client, lifetimeMs: number, db?: Db): Promise<string> {
    const lifetimes = { idle: lifetimeMs, absolute: lifetimeMs, token: lifetimeMs }
    const { userId, sessionId } = await this.#logIn(db, user, client, { kind: 'compat', ...lifetimes })
    const { PUBLIC_URL } = this.#config
    const audience = compatAudience(PUBLIC_URL)
    return this.#keys.sign(
      claimsFor({ issuer: PUBLIC_URL, audience, userId, sessionId, lifetimeMs }),
      COMPAT_TOKEN_TYPE,
    )
  }

  #logIn(db: Db | undefined, user: Proven, client: Client, plan: SessionPlan) {
    if (db !== undefined) return this.#begin(db, user, client, plan)
    return this.#database.transaction(async (db) => {
      const grant = await this.#begin(db, user, client, plan)
      const { userId, sessionId } = grant
      const reason = client.door && `password at ${client.door()}`
      await this.#events.record({ type: 'login.succeeded', userId, sessionId, ...(reason && { reason }) }, client, db)
      afterCommit(db, () => logins.publish({ result: 'succeeded' }))
      return grant
    })
  }

  async #begin(db: Db, user: Proven, client: Client, plan: SessionPlan) {
    this.#keys.assertCanSign()
    const { ip, userAgent } = client
    const id = randomUUID()
    const { insert, endOldest } = this.#statements
    const [row] = await within(db, insert).execute({
      ...plan,
      id,
      userId: user.id,
      clientId: CLIENT_ID,
      amr: PASSWORD,
      authVersion: user.authVersion,
      ip,
      userAgent: userAgent?.slice(0, USER_AGENT_LENGTH) ?? null,
    })
    if (row === undefined) throw new Problem('invalid_credentials')
    await this.#knownNetworks.remember(user.id, ip, db)
    const oldest = await within(db, endOldest).execute({ userId: user.id, kind: plan.kind })
    await this.#recordEnd(db, oldest, OVER_THE_LIMIT, client)
    afterCommit(db, () => tokens.publish({ grant: plan.kind === 'api' ? 'password' : 'compat' }))
    return { userId: user.id, sessionId: id, role: user.role, roles: user.roles, proof: row }
  }

  /** What an authentic refresh token of any generation says; undefined for everything else. Asks no database. */
  authenticate(token: string): RefreshClaims | undefined {
    return readRefreshToken(token, this.#refreshKeys)
  }

  /**
   * Exchanges a refresh token, or what `authenticate` has read in it, for the next. Within the reuse window the immediate
   * parent gets the same child again, three times at most; further tries are refused. Any other token that was used before
   * ends the session: it may be a thief's.
   * @throws Problem invalid_grant
   */
  async refresh(token: string | RefreshClaims, client: Client): Promise<Tokens> {
    const claims = typeof token === 'string' ? this.authenticate(token) : token
    if (claims === undefined) throw new Problem('invalid_grant')
    this.#keys.assertCanSign()
    const { sessionId } = claims
    const { ip, requestId = null } = client
    const [rotated] = await this.#statements.rotate.execute({ ...claims, ip, requestId })
    const row = rotated ?? (await this.#rotateAgain(claims, client))
    if (row === undefined) {
      await this.#end((db) => within(db, this.#statements.revokeReused).execute({ ...claims }), REUSE, client)
      throw new Problem('invalid_grant')
    }
    const { userId, role, roles, generation, amr, authTime } = row
    tokens.publish({ grant: 'refresh_token' })
    return this.#tokens({ userId, sessionId, role, roles, proof: { amr, authTime } }, generation)
  }

  /** Ends one session, at once in this process. Ending it again changes nothing. */
  async revoke(sessionId: string, client: Client): Promise<void> {
    await this.#end((db) => within(db, this.#statements.revoke).execute({ sessionId }), ENDED, client)
  }

  /** Ends the session of an authentic refresh token of any generation; anything else changes nothing. */
  async revokeByRefreshToken(token: string, client: Client): Promise<void> {
    const claims = readRefreshToken(token, this.#refreshKeys)
    if (claims !== undefined) await this.revoke(claims.sessionId, client)
  }

  /** Ends one live session of a user; false when it is not theirs, or over already. */
  async revokeOwn(userId: number, sessionId: string, client: Client): Promise<boolean> {
    const revoke = (db: Db) => within(db, this.#statements.revokeOwn).execute({ userId, sessionId })
    return (await this.#end(revoke, ENDED, client)).length > 0
  }

  /**
   * Ends all sessions of a user, or all but one, and their old tokens of another system, within the transaction of `db`.
   * Resolves to whether there were any.
   */
  async revokeAll(db: Db, userId: number, { except = '' } = {}): Promise<boolean> {
    const ended = await endAllSessions(this.#database, db, userId, except)
    afterCommit(db, () => this.#remember(ended))
    const hadLegacyTokens = await endLegacyTokens(this.#database, db, userId)
    return ended.length > 0 || hadLegacyTokens
  }

  /** The live sessions of a user, the newest first; never more than the cap. */
  list(userId: number) {
    return this.#statements.list.execute({ userId })
  }

  /** Whether the session was revoked, as far as this process knows. Asked on every request: no query. */
  isRevoked(sessionId: string): boolean {
    return this.#revoked.has(sessionId)
  }

  /** Whether a revocation by another process may have gone unseen for longer than promised. */
  isStale(): boolean {
    return this.revocationLagMs > STALE_AFTER_MS
  }

  /** How long ago this process last heard what others revoked. */
  get revocationLagMs(): number {
    return performance.now() - this.#polledAt
  }

  /** Learns what other processes revoked. */
  async poll(): Promise<void> {
    const startedAt = performance.now()
    const isFull = startedAt - this.#polledAllAt >= POLL_ALL_MS
    this.#remember(await (isFull ? this.#statements.selectRevoked : this.#statements.selectRecentlyRevoked).execute())
    this.#polledAt = startedAt
    if (!isFull) return
    this.#polledAllAt = startedAt
    for (const [id, tokenExpiresAt] of this.#revoked) {
      if (tokenExpiresAt < Date.now() - CLOCK_SKEW_S * 1_000) this.#revoked.delete(id)
    }
  }

  /** Deletes sessions that are over and whose access tokens have expired. */
  prune(signal?: AbortSignal): Promise<void> {
    return pruneSessions(this.#database, signal)
  }

  /** The row of the session for a repetition of its last rotation, with its event; undefined when there may be none. */
  #rotateAgain(claims: RefreshClaims, client: Client) {
    return this.#database.transaction(async (db) => {
      const [row] = await within(db, this.#statements.rotateAgain).execute({ ...claims })
      if (row === undefined) return undefined
      const { userId, ip } = row
      // Somebody who went from Wi-Fi to mobile in the middle of a refresh, or a thief who follows: it is put on record.
      const event = isSameNetwork(ip, client.ip)
        ? ({ type: 'session.refreshed' } as const)
        : ({ type: 'session.refresh_repeated', reason: `first used from ${ip}` } as const)
      await this.#events.record({ ...event, userId, sessionId: claims.sessionId }, client, db)
      return row
    })
  }

  /** Ends sessions in a transaction of their own, with an event for each. */
  #end(revoke: (db: Db) => PromiseLike<Revocation[]>, event: SessionEvent, client: Client): Promise<Revocation[]> {
    return this.#database.transaction(async (db) => {
      const rows = await revoke(db)
      await this.#recordEnd(db, rows, event, client)
      return rows
    })
  }

  async #recordEnd(db: Db, rows: Revocation[], event: SessionEvent, client: Client): Promise<void> {
    afterCommit(db, () => this.#remember(rows))
    for (const { id, userId } of rows) await this.#events.record({ ...event, userId, sessionId: id }, client, db)
  }

  #remember(rows: Omit<Revocation, 'userId'>[]): void {
    for (const { id, tokenExpiresAt } of rows) this.#revoked.set(id, tokenExpiresAt)
  }

  #tokens(grant: Pick<Grant, 'userId' | 'sessionId' | 'role' | 'roles' | 'proof'>, generation: number): Tokens {
    const { PUBLIC_URL, AUDIENCE, ACCESS_TOKEN_TTL } = this.#config
    const claims = claimsFor({ ...grant, issuer: PUBLIC_URL, audience: AUDIENCE, lifetimeMs: ACCESS_TOKEN_TTL })
    return {
      access_token: this.#keys.sign(claims),
      token_type: 'Bearer',
      expires_in: claims.exp - claims.iat,
      refresh_token: makeRefreshToken({ sessionId: grant.sessionId, generation }, this.#refreshKeys),
    }
  }
}
