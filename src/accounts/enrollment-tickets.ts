import type { Secret } from '../tokens/secret.js'
import type { FirstFactor } from './login-tickets.js'
import { SealedTickets } from './sealed-tickets.js'

/** Longer than the ticket of a log-in: people look for an app and install it meanwhile. */
const LIFETIME_MS = 15 * 60_000

/**
 * What is to be shown beside the first factor before somebody may add a second: nothing, a code that is mailed to the confirmed
 * address, or the link of an operator. Whoever has stolen a password has none of these.
 */
export type Confirmation = 'none' | 'email' | 'link'

/** Who proved who they are, by what, under which auth_version, and what they have yet to confirm. */
export interface EnrollmentTicket {
  userId: number
  authVersion: number
  first: FirstFactor
  confirmation: Confirmation
}

/**
 * What somebody gets whose first factor is right and whose account has no second one where it must. It opens nothing but the
 * routes that add the first factor, and ends when anything changes about how the account is logged in to. No row is written.
 */
export class EnrollmentTickets {
  readonly #tickets: SealedTickets<[first: FirstFactor, confirmation: Confirmation]>

  constructor(secret: Secret) {
    const keys = secret.derive('enrollment-ticket')
    this.#tickets = new SealedTickets({ keys, purpose: 'enrollment', lifetimeMs: LIFETIME_MS })
  }

  make({ userId, authVersion, first, confirmation }: EnrollmentTicket): string {
    return this.#tickets.make(userId, authVersion, first, confirmation)
  }

  /** What a ticket says; undefined where it is not ours or has expired. */
  read(text: string): EnrollmentTicket | undefined {
    const ticket = this.#tickets.read(text)
    if (ticket === undefined) return undefined
    const { userId, authVersion, more } = ticket
    const [first, confirmation] = more
    return { userId, authVersion, first, confirmation }
  }
}
