import type { Secret } from '../tokens/secret.js'
import type { FirstFactor } from './login-tickets.js'
import { SealedTickets } from './sealed-tickets.js'

/** Longer than the ticket of a log-in: users may have to find and install an app first. */
const LIFETIME_MS = 15 * 60_000

/**
 * What a user must show besides the first factor to add a second one: nothing, a code mailed to the confirmed address,
 * or an operator's link. A stolen password alone must not be enough.
 */
export type Confirmation = 'none' | 'email' | 'link'

/** Who has proved the first factor, how, at which auth_version, and what is still to be confirmed. */
export interface EnrollmentTicket {
  userId: number
  authVersion: number
  first: FirstFactor
  confirmation: Confirmation
}

/**
 * Tickets for users who have proved the first factor and must add a second one. A ticket is only good for the routes
 * that add the factor, and is invalid once auth_version changes. Nothing is stored.
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

  /** The content of a ticket; undefined if the ticket is forged or expired. */
  read(text: string): EnrollmentTicket | undefined {
    const ticket = this.#tickets.read(text)
    if (ticket === undefined) return undefined
    const { userId, authVersion, more } = ticket
    const [first, confirmation] = more
    return { userId, authVersion, first, confirmation }
  }
}
