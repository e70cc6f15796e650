import { asc, gte, max, sql } from 'drizzle-orm'
import type { Database } from '../database/database.js'
import type { Passwords } from './passwords.js'

/** The sample: this many positions in the table, with this many rows each. Its cost does not grow with the table. */
const PLACES = 16
const ROWS = 64

/**
 * Samples the accounts for hashes that are not of the current scheme (imported, or from before a setting changed) and
 * measures the cost of each kind. A failed log-in then takes as long as the most expensive kind, for every account.
 */
export class StoredCosts {
  readonly #passwords: Passwords
  readonly #statements: ReturnType<typeof prepareStatements>
  readonly #measured = new Set<string>()

  constructor(database: Database, passwords: Passwords) {
    this.#passwords = passwords
    this.#statements = prepareStatements(database)
  }

  /** Takes a sample and computes one hash of each new kind. */
  async look(): Promise<void> {
    const [{ last } = { last: null }] = await this.#statements.last.execute()
    if (last === null) return
    const others = new Set<string>()
    for (let place = 0; place < PLACES; place += 1) {
      const from = Math.max(1, Math.floor((last * (place + 1)) / PLACES) - ROWS + 1)
      for (const { hash } of await this.#statements.sample.execute({ from })) {
        if (hash !== null && !this.#passwords.isInForce(hash)) others.add(hash)
      }
    }
    if (others.size > 0) await this.#measure(others)
  }

  async #measure(hashes: Iterable<string>): Promise<void> {
    // Imported at the first such hash: few installations have any.
    const { readHash } = await import('./hashes.js')
    for (const hash of hashes) {
      const known = readHash(hash)
      if (known?.verify === undefined || this.#measured.has(known.settings)) continue
      await this.#passwords.measure(hash)
      this.#measured.add(known.settings)
    }
  }
}

function prepareStatements({ db, tables: { users } }: Database) {
  return {
    last: db
      .select({ last: max(users.id) })
      .from(users)
      .prepare('select_last_user'),
    sample: db
      .select({ hash: users.passwordHash })
      .from(users)
      .where(gte(users.id, sql.placeholder('from')))
      .orderBy(asc(users.id))
      .limit(ROWS)
      .prepare('sample_password_hashes'),
  }
}
