import { eq, sql } from 'drizzle-orm'
import type { ApiKeys } from '../clients/api-keys.js'
import type { Database, Db } from '../database/database.js'
import type { Sessions } from '../sessions/sessions.js'
import { BEGUN_BY_ANYBODY, type OneTimeTokens } from './one-time-tokens.js'

/** How much of an account's access to revoke: each extent includes those before it. */
const EXTENTS = [
  /** Proofs of a log-in that has no session yet: tickets for a second factor, and codes of /authorize. */
  'log-ins',
  /** One-time tokens that a thief may have requested. */
  'requests',
  /** All sessions, and tokens that another system issued before an import. */
  'sessions',
  /** API keys, and tokens that the account made for others as an admin: a thief may have these too. */
  'keys',
  /** Invitations and proofs of addresses: the account is deleted. */
  'everything',
] as const
export type Extent = (typeof EXTENTS)[number]

interface End {
  userId: number
  extent: Extent
  /** The session that stays valid: that of the request. */
  except?: string | undefined
}

interface Dependencies {
  database: Database
  sessions: Sessions
  apiKeys: ApiKeys
  oneTimeTokens: OneTimeTokens
}

/**
 * Revokes access to an account. Every operation that revokes some of it calls `end`, so that no kind of access is
 * forgotten.
 */
export class AccountAccess {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Revokes access to an account, within the transaction of `db`, which has locked or changed the user's row. Updates
   * that row first: a log-in reads the row `FOR SHARE`, so either its session exists already and is revoked here, or it
   * finds a new auth_version. Resolves to whether sessions, keys or tokens were revoked; tickets, which only
   * auth_version invalidates, do not count.
   */
  async end(db: Db, { userId, extent, except = '' }: End): Promise<boolean> {
    const { database, sessions, apiKeys, oneTimeTokens } = this.#dependencies
    const { users } = database.tables
    const goes = (to: Extent) => EXTENTS.indexOf(extent) >= EXTENTS.indexOf(to)
    await db
      .update(users)
      .set({ authVersion: sql`${users.authVersion} + 1` })
      .where(eq(users.id, userId))
    const hadSessions = goes('sessions') && (await sessions.revokeAll(db, userId, { except }))
    const hadKeys = goes('keys') && (await apiKeys.revokeAll(db, userId))
    const purposes = goes('everything') ? undefined : BEGUN_BY_ANYBODY
    const hadTokens = goes('requests') && (await oneTimeTokens.deleteOf(db, userId, purposes))
    if (goes('keys')) await oneTimeTokens.deleteMadeBy(db, userId)
    return hadSessions || hadKeys || hadTokens
  }
}
