import { identifierKey } from '../accounts/names.js'
import { prepareTake } from '../accounts/window-budgets.js'
import type { Config } from '../config/config.js'
import { type Database, type Db, within } from '../database/database.js'
import { networksOf } from '../networks.js'
import { pseudonym, type Secret } from '../tokens/secret.js'

const WINDOW_MS = 3_600_000
/** Notices of deeds in an account, to one address: somebody who is being robbed is told, and nobody is flooded. */
const NOTICES = 20

/**
 * How many mails may be sent to an address, and by a network, in an hour. What strangers ask for and what accounts do
 * are counted apart: else a thief could use the budget up first, and the owner would never hear of the theft. Addresses are
 * stored as HMACs.
 */
export class MailBudgets {
  readonly #config: Config
  readonly #key: Buffer
  readonly #statement: ReturnType<typeof prepareTake>

  constructor(database: Database, { secret, config }: { secret: Secret; config: Config }) {
    const [key] = secret.derive('throttle')
    if (key === undefined) throw new Error('There is no key for the budgets of mail')
    this.#config = config
    this.#key = key
    this.#statement = prepareTake(database, WINDOW_MS, 'take_mail')
  }

  /**
   * Whether somebody at this network may have one more mail sent to this address, within the transaction of `db`. The
   * statements are the same whoever owns the address.
   */
  async takeRequest(db: Db, address: string, ip: string): Promise<boolean> {
    const { MAIL_NETWORK_LIMIT, MAIL_ADDRESS_LIMIT } = this.#config
    for (const { key, share } of networksOf(ip)) {
      if (!(await this.#take(db, ['mail-network', key], MAIL_NETWORK_LIMIT * share))) return false
    }
    return this.#take(db, ['mail-address', identifierKey(address)], MAIL_ADDRESS_LIMIT)
  }

  /** Whether this address may be told of one more deed. */
  takeNotice(db: Db, address: string): Promise<boolean> {
    return this.#take(db, ['mail-notice', identifierKey(address)], NOTICES)
  }

  async #take(db: Db, [kind, name]: [string, string], limit: number): Promise<boolean> {
    const key = `${kind}:${pseudonym(this.#key, kind, name)}`
    return (await within(db, this.#statement).execute({ key, limit })).length > 0
  }
}
