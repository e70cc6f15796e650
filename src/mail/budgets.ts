import { identifierKey } from '../accounts/names.js'
import { prepareTake } from '../accounts/window-budgets.js'
import type { Config } from '../config/config.js'
import { type Database, type Db, within } from '../database/database.js'
import { networksOf } from '../networks.js'
import { pseudonym, type Secret } from '../tokens/secret.js'

const WINDOW_MS = 3_600_000
/**
 * Mails to one address about changes in its account, per hour: the owner of a stolen account is notified, but not
 * flooded.
 */
const NOTICES = 20

/**
 * Limits the mails to an address, and those requested from a network, per hour. Unauthenticated requests and
 * notices of accounts have separate budgets: otherwise a thief could use the budget up, and the owner would not be
 * notified. Addresses are stored as HMACs.
 */
export class MailBudgets {
  readonly #config: Config
  readonly #key: Buffer
  readonly #statement: ReturnType<typeof prepareTake>

  constructor(database: Database, { secret, config }: { secret: Secret; config: Config }) {
    this.#config = config
    this.#key = secret.derive('throttle')[0]
    this.#statement = prepareTake(database, WINDOW_MS, 'take_mail')
  }

  /**
   * Whether a client in this network may have one more mail sent to this address, within the transaction of `db`. The
   * statements do not depend on whether the address has an account.
   */
  async takeRequest(db: Db, address: string, ip: string): Promise<boolean> {
    const { MAIL_NETWORK_LIMIT, MAIL_ADDRESS_LIMIT } = this.#config
    for (const { key, share } of networksOf(ip)) {
      if (!(await this.#take(db, ['mail-network', key], MAIL_NETWORK_LIMIT * share))) return false
    }
    return this.#take(db, ['mail-address', identifierKey(address)], MAIL_ADDRESS_LIMIT)
  }

  /** Whether one more notice may be sent to this address. */
  takeNotice(db: Db, address: string): Promise<boolean> {
    return this.#take(db, ['mail-notice', identifierKey(address)], NOTICES)
  }

  async #take(db: Db, [kind, name]: [string, string], limit: number): Promise<boolean> {
    const key = `${kind}:${pseudonym(this.#key, kind, name)}`
    return (await within(db, this.#statement).execute({ key, limit })).length > 0
  }
}
