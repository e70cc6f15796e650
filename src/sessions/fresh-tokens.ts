import { and, eq, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { type Database, within } from '../database/database.js'
import { Problem } from '../problems.js'
import type { UserCaller } from '../tokens/access-tokens.js'
import { sessionConditions, TOKEN_SLACK_MS } from './conditions.js'
import type { AuthenticatedUser } from './sessions.js'
import type { AccessToken, TokenPairs } from './token-pairs.js'

interface Dependencies {
  config: Config
  database: Database
  events: Events
  pairs: TokenPairs
}

/** Access tokens with a new `auth_time`, for step-up authentication: RFC 9470. */
export class FreshTokens {
  readonly #database: Database
  readonly #events: Events
  readonly #pairs: TokenPairs
  readonly #extend: ReturnType<typeof prepareExtend>

  constructor({ config, database, events, pairs }: Dependencies) {
    this.#database = database
    this.#events = events
    this.#pairs = pairs
    this.#extend = prepareExtend(database, config)
  }

  /**
   * Issues an access token of the caller's session whose `auth_time` is now. The session row keeps the old time, so a
   * thief who refreshes the session gets no fresh token. `amr` is a space-separated list of values of RFC 8176.
   * @throws Problem invalid_token when the session has ended, or the account has changed since the check
   */
  issue(
    { sessionId, userId }: Pick<UserCaller, 'sessionId' | 'userId'>,
    user: AuthenticatedUser,
    amr: string,
    client: Client,
  ): Promise<AccessToken> {
    return this.#database.transaction(async (db) => {
      const { authVersion, role, roles } = user
      // Locks factors before sessions, like the code that removes factors: another order could deadlock.
      await user.spend?.(db)
      const [row] = await within(db, this.#extend).execute({ sessionId, userId, authVersion })
      if (row === undefined) throw new Problem('invalid_token')
      await this.#events.record({ type: 'session.reauthenticated', userId, sessionId, reason: amr }, client, db)
      return this.#pairs.accessToken({ userId, sessionId, role, roles, proof: { amr, authTime: Date.now() } })
    })
  }
}

/**
 * Extends `token_expires_at`: otherwise the revocation of the session could be forgotten before the new token expires.
 */
function prepareExtend(database: Database, config: Config) {
  const { db, tables, now } = database
  const { sessions, users } = tables
  const { sessionId, isOwnClient, isLive, ofActiveUser } = sessionConditions(database, config.MFA)
  const isUnchanged = sql`exists (select 1 from ${users} where ${users.id} = ${sessions.userId} and ${users.authVersion} = ${sql.placeholder('authVersion')})`
  return db
    .update(sessions)
    .set({ tokenExpiresAt: sql`${now} + ${config.ACCESS_TOKEN_TTL + TOKEN_SLACK_MS}` })
    .where(
      and(
        sessionId,
        eq(sessions.userId, sql.placeholder('userId')),
        eq(sessions.kind, 'api'),
        isOwnClient,
        isLive,
        ofActiveUser,
        isUnchanged,
      ),
    )
    .returning({ id: sessions.id })
    .prepare('extend_session')
}
