import { and, eq, gt, lt, sql } from 'drizzle-orm'
import { deleteInBatches } from '../database/batches.js'
import { type Database, type Db, within } from '../database/database.js'
import { networkKey } from '../networks.js'
import { pseudonym, type Secret } from '../tokens/secret.js'

const KNOWN_FOR_MS = 30 * 86_400_000
/** A network with more accounts is shared (a mobile carrier, a proxy), so an attacker may use it too. */
const MOST_ACCOUNTS = 20
/** The time of the last log-in is written at most this often, not at each log-in. */
const REMEMBERED_EVERY_MS = 86_400_000

/**
 * The networks from which each account logged in during the last 30 days. Wrong passwords from a known network have a
 * separate budget, so an attacker elsewhere cannot lock the owner out. A network is stored as an HMAC.
 */
export class KnownNetworks {
  readonly #keys: readonly Buffer[]
  readonly #database: Database
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database, secret: Secret) {
    this.#keys = secret.derive('throttle')
    this.#database = database
    this.#statements = prepareStatements(database)
  }

  /**
   * Whether the account logged in from the network of this address within 30 days, and the network is not shared by too
   * many accounts.
   */
  async has(userId: number, address: string): Promise<boolean> {
    // There is more than one key only while SECRET_KEY is being rotated.
    for (const network of this.#namesOf(address)) {
      if ((await this.#statements.find.execute({ userId, network })).length > 0) return true
    }
    return false
  }

  /** Records a log-in of the account from the network of this address, within the transaction of `db`. */
  async remember(userId: number, address: string, db: Db): Promise<void> {
    const [network] = this.#namesOf(address)
    await within(db, this.#statements.remember).execute({ userId, network })
  }

  /** Deletes networks without a log-in for 30 days. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { tables, now } = this.#database
    const { knownNetworks: table } = tables
    const where = lt(table.lastLoginAt, sql`${now} - ${KNOWN_FOR_MS}`)
    await deleteInBatches(this.#database, { table, key: table.userId, where, signal })
  }

  #namesOf(address: string): string[] {
    return this.#keys.map((key) => pseudonym(key, 'network', networkKey(address)))
  }
}

function prepareStatements({ db, tables: { knownNetworks }, now }: Database) {
  const { userId, network, lastLoginAt } = knownNetworks
  const placeholders = { userId: sql.placeholder('userId'), network: sql.placeholder('network') }
  const isHere = eq(network, placeholders.network)
  const isRecent = gt(lastLoginAt, sql`${now} - ${KNOWN_FOR_MS}`)
  const accounts = db
    .select({ userId })
    .from(knownNetworks)
    .where(and(isHere, isRecent))
    .limit(MOST_ACCOUNTS + 1)
    .as('accounts')
  return {
    find: db
      .select({ userId })
      .from(knownNetworks)
      .where(
        and(
          eq(userId, placeholders.userId),
          isHere,
          isRecent,
          sql`(select count(*) from ${accounts}) <= ${MOST_ACCOUNTS}`,
        ),
      )
      .prepare('find_known_network'),
    remember: db
      .insert(knownNetworks)
      .values({ ...placeholders, lastLoginAt: now })
      .onConflictDoUpdate({
        target: [userId, network],
        set: { lastLoginAt: now },
        setWhere: lt(lastLoginAt, sql`${now} - ${REMEMBERED_EVERY_MS}`),
      })
      .prepare('remember_network'),
  }
}
