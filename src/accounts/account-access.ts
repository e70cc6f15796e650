import { eq, sql } from 'drizzle-orm'
import type { ApiKeys } from '../clients/api-keys.js'
import type { Database, Db } from '../database/database.js'
import type { Sessions } from '../sessions/sessions.js'
import { BEGUN_BY_ANYBODY, type OneTimeTokens } from './one-time-tokens.js'

/** How far the end of somebody's access goes: each includes those before it. */
const EXTENTS = [
  /** What was proved before: log-ins that wait for a second factor or for their session, and codes of /authorize. */
  'log-ins',
  /** One-time tokens that a thief may have asked for. */
  'requests',
  /** All sessions, and the old tokens of another system. */
  'sessions',
  /** API keys, and what the account made for others as an admin: whoever lost the account may have lost these too. */
  'keys',
  /** Invitations and proofs of addresses: they are for an account that is no more. */
  'everything',
] as const
export type Extent = (typeof EXTENTS)[number]

interface End {
  userId: number
  extent: Extent
  /** The session that goes on: that of whoever asks. */
  except?: string | undefined
}

interface Dependencies {
  database: Database
  sessions: Sessions
  apiKeys: ApiKeys
  oneTimeTokens: OneTimeTokens
}

/** What lets somebody use an account, and its end: all that there is, in one place, for every deed that ends some of it. */
export class AccountAccess {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Ends the access to an account, within the transaction of `db`, in which the deed has locked or changed the user's row. That
   * row comes first here too: a log-in, which reads it `FOR SHARE`, has then either begun its session, which ends here, or finds
   * another auth_version. Resolves to whether there was anything to end, beside what only auth_version knows of.
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
