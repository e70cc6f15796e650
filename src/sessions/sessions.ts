import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { compatAudience } from '../config/public-url.js'
import { afterCommit, type Database, type Db, within } from '../database/database.js'
import { Problem } from '../problems.js'
import { logins, tokens } from '../telemetry/channels.js'
import { CLIENT_ID, claimsFor, type Role } from '../tokens/access-tokens.js'
import { endLegacyTokens } from '../tokens/legacy-tokens.js'
import { COMPAT_TOKEN_TYPE, type Keys } from '../tokens/signing-keys.js'
import type { Endings } from './endings.js'
import type { KnownNetworks } from './known-networks.js'
import type { Revocations } from './revocations.js'
import { newSessionId } from './session-ids.js'
import { endAllSessions, prepareSessionStatements, pruneSessions, SESSIONS_PER_KIND } from './statements.js'
import type { TokenPairs, Tokens } from './token-pairs.js'

const USER_AGENT_LENGTH = 256
/** The default authentication method, as an `amr` value of RFC 8176. */
const PASSWORD = 'pwd'
const ENDED = { type: 'session.ended' } as const
const REPLACED = { type: 'session.ended', reason: 'logged in again' } as const

const OVER_THE_LIMIT = { type: 'session.ended', reason: `over the limit of ${SESSIONS_PER_KIND} sessions` } as const

/** A user who has just authenticated, as read from the database at that moment. */
export interface AuthenticatedUser {
  id: number
  role: Role
  /** Space-separated, as in the table. */
  roles: string
  authVersion: number
  /** The authentication methods: space-separated values of RFC 8176. The default is the password. */
  amr?: string
  /**
   * Consumes the one-time credential, within the transaction that creates or re-authenticates the session.
   * @throws Problem when the credential was used before
   */
  spend?(db: Db): Promise<void>
}

/** The kind of a new session (schema.pg.ts), and its lifetimes in milliseconds. */
interface SessionPlan extends Record<'idle' | 'absolute' | 'token', number> {
  kind: 'api' | 'browser' | 'compat'
}
/** The label under which an issued token is counted. A browser session has no token. */
const GRANTS = { api: 'password', compat: 'compat', browser: undefined } as const

interface Dependencies {
  config: Config
  database: Database
  keys: Keys
  pairs: TokenPairs
  events: Events
  knownNetworks: KnownNetworks
  revocations: Revocations
  endings: Endings
}

/** Creates, lists and ends sessions. rotation.ts rotates their refresh tokens. */
export class Sessions {
  readonly #config: Config
  readonly #database: Database
  readonly #keys: Keys
  readonly #events: Events
  readonly #knownNetworks: KnownNetworks
  readonly #pairs: TokenPairs
  readonly #revocations: Revocations
  readonly #endings: Endings
  readonly #statements: ReturnType<typeof prepareSessionStatements>
  constructor({ config, database, keys, pairs, events, knownNetworks, revocations, endings }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#keys = keys
    this.#events = events
    this.#knownNetworks = knownNetworks
    this.#pairs = pairs
    this.#revocations = revocations
    this.#endings = endings
    this.#statements = prepareSessionStatements(database, config.MFA)
  }

  /**
   * Creates a session and records the log-in. With `db`, the session is part of another operation: uses its transaction
   * and records no log-in. The insert requires an active user with the `auth_version` that was just verified, so a
   * log-in fails if the password or the role changed meanwhile.
   * @throws Problem invalid_credentials after such a change
   */
  async issue(user: AuthenticatedUser, client: Client, db?: Db): Promise<Tokens> {
    const { ACCESS_TOKEN_TTL, REFRESH_IDLE_TTL, REFRESH_ABSOLUTE_TTL } = this.#config
    const grant = await this.#logIn(db, user, client, {
      kind: 'api',
      idle: REFRESH_IDLE_TTL,
      absolute: REFRESH_ABSOLUTE_TTL,
      token: ACCESS_TOKEN_TTL,
    })
    return this.#pairs.make(grant, 0)
  }

  /**
   * Creates a session with a single access token of this lifetime (in milliseconds), and no refresh token. Its own
   * audience and type and the missing role keep other services from accepting such a long-lived token.
   * @throws Problem invalid_credentials, as `issue`
   */
  async issueAccessToken(user: AuthenticatedUser, client: Client, lifetimeMs: number, db?: Db): Promise<string> {
    const lifetimes = { idle: lifetimeMs, absolute: lifetimeMs, token: lifetimeMs }
    const { userId, sessionId } = await this.#logIn(db, user, client, { kind: 'compat', ...lifetimes })
    const { PUBLIC_URL } = this.#config
    const audience = compatAudience(PUBLIC_URL)
    return this.#keys.sign(
      claimsFor({ issuer: PUBLIC_URL, audience, userId, sessionId, lifetimeMs }),
      COMPAT_TOKEN_TYPE,
    )
  }

  /** Whether a session is live and its user has the second factor that the policy requires. Reads the database. */
  async isUsable(sessionId: string): Promise<boolean> {
    return (await this.#statements.isUsable.execute({ sessionId })).length > 0
  }

  #logIn(db: Db | undefined, user: AuthenticatedUser, client: Client, plan: SessionPlan) {
    if (db !== undefined) return this.#begin(db, user, client, plan)
    return this.#database.transaction((db) => this.logIn(db, user, client, plan))
  }

  /**
   * Creates a session and records the log-in, within the transaction of `db`. @throws Problem invalid_credentials, as
   * `issue`
   */
  async logIn(db: Db, user: AuthenticatedUser, client: Client, plan: SessionPlan) {
    const grant = await this.#begin(db, user, client, plan)
    const { userId, sessionId } = grant
    const reason = client.endpoint && `${shownBy(user)} at ${client.endpoint()}`
    await this.#events.record({ type: 'login.succeeded', userId, sessionId, ...(reason && { reason }) }, client, db)
    afterCommit(db, () => logins.publish({ result: 'succeeded' }))
    return grant
  }

  async #begin(db: Db, user: AuthenticatedUser, client: Client, plan: SessionPlan) {
    this.#keys.assertCanSign()
    const { ip } = client
    const id = newSessionId()
    const { insert, endOldest } = this.#statements
    const [row] = await within(db, insert).execute({
      ...plan,
      id,
      userId: user.id,
      clientId: CLIENT_ID,
      amr: user.amr ?? PASSWORD,
      authVersion: user.authVersion,
      ip,
      userAgent: userAgentOf(client),
    })
    if (row === undefined) throw new Problem('invalid_credentials')
    // Runs after the user row is locked. Code that removes factors locks in the same order; another order could
    // deadlock.
    await user.spend?.(db)
    await this.#knownNetworks.remember(user.id, ip, db)
    const { sessionCount, ...proof } = row
    if (sessionCount >= SESSIONS_PER_KIND) {
      const oldest = await within(db, endOldest).execute({ userId: user.id, kind: plan.kind })
      await this.#endings.record(db, oldest, OVER_THE_LIMIT, client)
    }
    const grant = GRANTS[plan.kind]
    if (grant !== undefined) afterCommit(db, () => tokens.publish({ grant }))
    return { userId: user.id, sessionId: id, role: user.role, roles: user.roles, proof }
  }

  /**
   * Ends one session, effective in this process at once. Idempotent. `byClient` is the other client that ends its own
   * session.
   */
  async revoke(sessionId: string, client: Client, byClient?: string): Promise<void> {
    const event = byClient === undefined ? ENDED : { ...ENDED, actorId: null, actorClientId: byClient }
    await this.#endings.end((db) => within(db, this.#statements.revoke).execute({ sessionId }), event, client)
  }

  /** Ends a session that a new session replaces, within the transaction of `db`. */
  async replace(db: Db, sessionId: string, client: Client): Promise<void> {
    const rows = await within(db, this.#statements.revoke).execute({ sessionId })
    await this.#endings.record(db, rows, REPLACED, client)
  }

  /**
   * The live session of a client, by the current refresh token; otherwise undefined. The `where` includes the client,
   * so a client learns nothing about sessions of other clients.
   */
  async describe(refreshToken: string, clientId: string) {
    const claims = this.#pairs.read(refreshToken)
    if (claims === undefined) return undefined
    const [session] = await this.#statements.describe.execute({ ...claims, clientId })
    return session
  }

  /**
   * The session and client of an authentic refresh token of any generation. Undefined if the session does not exist.
   */
  async clientOf(refreshToken: string): Promise<{ sessionId: string; clientId: string } | undefined> {
    const claims = this.#pairs.read(refreshToken)
    const [session] = claims ? await this.#statements.selectClient.execute({ sessionId: claims.sessionId }) : []
    return claims && session && { sessionId: claims.sessionId, clientId: session.clientId }
  }

  /** Ends the session of an authentic refresh token of any generation. Ignores any other token. */
  async revokeByRefreshToken(token: string, client: Client): Promise<void> {
    const claims = this.#pairs.read(token)
    if (claims !== undefined) await this.revoke(claims.sessionId, client)
  }

  /** Ends one live session of a user. False if the session belongs to another user or has ended. */
  async revokeOwn(userId: number, sessionId: string, client: Client): Promise<boolean> {
    const revoke = (db: Db) => within(db, this.#statements.revokeOwn).execute({ userId, sessionId })
    return (await this.#endings.end(revoke, ENDED, client)).length > 0
  }

  /**
   * Ends all sessions of a user (except `except`) and revokes their legacy tokens, within the transaction of `db`.
   * Resolves to whether there were any.
   */
  async revokeAll(db: Db, userId: number, { except = '' } = {}): Promise<boolean> {
    const ended = await endAllSessions(this.#database, db, userId, except)
    afterCommit(db, () => this.#revocations.remember(ended))
    const hadLegacyTokens = await endLegacyTokens(this.#database, db, userId)
    return ended.length > 0 || hadLegacyTokens
  }

  /** The live sessions of a user, newest first. `SESSIONS_PER_KIND` and the limit per client bound the list. */
  list(userId: number) {
    return this.#statements.list.execute({ userId })
  }

  /** Deletes ended sessions whose access tokens have expired. */
  prune(signal?: AbortSignal): Promise<void> {
    return pruneSessions(this.#database, signal)
  }
}

/** The credentials of a log-in, in words for the audit log. */
function shownBy({ amr = PASSWORD }: AuthenticatedUser): string {
  const [first = PASSWORD, ...more] = amr.split(' ')
  const shown = { pwd: 'password', otp: 'mailed code' }[first]
  if (shown === undefined) return 'passkey'
  return more.includes('mfa') ? `${shown} and second factor` : shown
}

/** The User-Agent to store with a session, truncated. */
export function userAgentOf({ userAgent }: Client): string | null {
  return userAgent?.slice(0, USER_AGENT_LENGTH) ?? null
}
