import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { type Database, type Db, within } from '../database/database.js'
import type { Role } from '../tokens/access-tokens.js'
import type { BrowserCookies } from './browser-cookies.js'
import { sessionConditions } from './conditions.js'
import type { AuthenticatedUser, Sessions } from './sessions.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const IDLE_MS = 14 * DAY_MS
const ABSOLUTE_MS = 30 * DAY_MS
/** The lifetime on a shared device. */
const SHARED_MS = 12 * HOUR_MS
/** The time of the last use is written at most this often, so that repeated page views write nothing. */
const TOUCHED_EVERY_MS = HOUR_MS

/** The live browser session and its user, as the rows are now. */
export interface BrowserSession {
  id: string
  userId: number
  role: Role
  authVersion: number
  amr: string
  /** In milliseconds since 1970, like `expiresAt`. */
  authTime: number
  expiresAt: number
}

/** A log-in with a browser. */
interface BrowserLogIn {
  /**
   * The Cookie header of the request. Its session ends, and the client sessions that began in it move to the new
   * session.
   */
  cookie: string | undefined
  /** Whether the device is shared. */
  isShared: boolean
}

interface Dependencies {
  config: Config
  database: Database
  cookies: BrowserCookies
  sessions: Sessions
}

interface Replacement {
  id: string
  userId: number
  former: string | undefined
}

/** Sessions of the pages: a row of the kind `browser`, and a signed cookie with its id. Each log-in has a new id. */
export class BrowserSessions {
  readonly #database: Database
  readonly #cookies: BrowserCookies
  readonly #sessions: Sessions
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor({ config, database, cookies, sessions }: Dependencies) {
    this.#database = database
    this.#cookies = cookies
    this.#sessions = sessions
    this.#statements = prepareStatements(database, config)
  }

  /**
   * Creates a session for a user who has just authenticated. Resolves to the session and the Set-Cookie header.
   * @throws Problem invalid_credentials when the account has changed since the authentication
   */
  begin(
    user: AuthenticatedUser,
    { cookie, isShared }: BrowserLogIn,
    client: Client,
  ): Promise<{ session: BrowserSession; setCookie: string }> {
    const lifetime = isShared ? SHARED_MS : ABSOLUTE_MS
    const plan = { kind: 'browser', idle: Math.min(IDLE_MS, lifetime), absolute: lifetime, token: 0 } as const
    return this.#database.transaction(async (db) => {
      const { sessionId: id, proof } = await this.#sessions.logIn(db, user, client, plan)
      await this.#replace(db, { id, userId: user.id, former: this.#cookies.read(cookie) }, client)
      const { id: userId, role, authVersion } = user
      const session = { id, userId, role, authVersion, ...proof, expiresAt: proof.authTime + lifetime }
      return { session, setCookie: this.#cookies.make(id, isShared ? undefined : lifetime) }
    })
  }

  /** The live session that a Cookie header names; otherwise undefined. */
  async find(cookie: string | undefined, { ip }: Pick<Client, 'ip'>): Promise<BrowserSession | undefined> {
    const sessionId = this.#cookies.read(cookie)
    if (sessionId === undefined) return undefined
    const [row] = await this.#statements.find.execute({ sessionId })
    if (row === undefined) return undefined
    const { isDue, ...session } = row
    if (isDue) await this.#statements.touch.execute({ sessionId, ip })
    return session
  }

  /**
   * Ends the session that a Cookie header names, and its client sessions. Resolves to the Set-Cookie header that
   * deletes the cookie.
   */
  async end(cookie: string | undefined, client: Client): Promise<string> {
    const sessionId = this.#cookies.read(cookie)
    if (sessionId !== undefined) await this.#sessions.revoke(sessionId, client)
    return this.#cookies.clear()
  }

  /**
   * Ends the previous session of the browser. Its client sessions of the same user move to the new session; those of
   * another user end, and so do all if the previous session has expired.
   */
  async #replace(db: Db, { id, userId, former }: Replacement, client: Client): Promise<void> {
    if (former === undefined) return
    await within(db, this.#statements.adopt).execute({ id, userId, former })
    await this.#sessions.replace(db, former, client)
  }
}

function prepareStatements(database: Database, { MFA }: Config) {
  const { db, tables, now } = database
  const { sessions, users } = tables
  const { sessionId, isLive, ofActiveUser, ofLiveParent } = sessionConditions(database, MFA)
  const isBrowser = eq(sessions.kind, 'browser')
  const isDue = sql`${sessions.lastUsedAt} < ${now} - ${TOUCHED_EVERY_MS}`
  const idle = sql`${now} + ${IDLE_MS}`
  return {
    find: db
      .select({
        id: sessions.id,
        userId: sessions.userId,
        role: users.role,
        authVersion: users.authVersion,
        amr: sessions.amr,
        authTime: sessions.authTime,
        expiresAt: sessions.expiresAt,
        isDue: sql`case when ${isDue} then 1 else 0 end`.mapWith(Number),
      })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .where(and(sessionId, isBrowser, isLive, ofActiveUser))
      .prepare('find_browser_session'),
    touch: db
      .update(sessions)
      .set({
        lastUsedAt: now,
        ip: sql`${sql.placeholder('ip')}`,
        idleExpiresAt: sql`case when ${idle} < ${sessions.expiresAt} then ${idle} else ${sessions.expiresAt} end`,
      })
      .where(and(sessionId, isBrowser, isLive, isDue))
      .prepare('touch_browser_session'),
    adopt: db
      .update(sessions)
      .set({ parentId: sql`${sql.placeholder('id')}` })
      .where(
        and(
          eq(sessions.parentId, sql.placeholder('former')),
          eq(sessions.userId, sql.placeholder('userId')),
          isNull(sessions.revokedAt),
          ofLiveParent,
        ),
      )
      .prepare('adopt_sessions'),
  }
}
