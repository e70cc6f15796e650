import type { Secret } from '../tokens/secret.js'
import { SealedTickets } from './sealed-tickets.js'
import type { User } from './user-rows.js'

const LIFETIME_MS = 5 * 60_000
/** Longer than any ticket. */
export const TICKET_MAX_LENGTH = 512

/** How the user proved the first factor, as in RFC 8176: by a password, or by a mailed code. */
export type FirstFactor = 'pwd' | 'otp'

/** The `amr` of a session with two factors, as in RFC 8176. */
export function withSecond(first: FirstFactor, second = 'otp'): string {
  return `${[...new Set([first, ...second.split(' ')])].join(' ')} mfa`
}

/** Who has proved the first factor, how, and at which auth_version. */
interface Ticket {
  userId: number
  authVersion: number
  first: FirstFactor
}

/**
 * Tickets for users who have proved the first factor and must show the second. A ticket is only good for the routes
 * that take the factor, and is invalid once auth_version changes. Nothing is stored.
 */
export class LoginTickets {
  readonly #tickets: SealedTickets<[first?: FirstFactor]>

  constructor(secret: Secret) {
    const keys = secret.derive('login-ticket')
    this.#tickets = new SealedTickets({ keys, purpose: 'login', lifetimeMs: LIFETIME_MS })
  }

  make({ id, authVersion }: Pick<User, 'id' | 'authVersion'>, first: FirstFactor): string {
    return this.#tickets.make(id, authVersion, first)
  }

  /** The content of a ticket; undefined if the ticket is forged or expired. */
  read(text: string): Ticket | undefined {
    const ticket = this.#tickets.read(text)
    if (ticket === undefined) return undefined
    const { userId, authVersion, more } = ticket
    // Tickets of an earlier version have no first factor: it was always the password.
    const [first = 'pwd'] = more
    return { userId, authVersion, first }
  }
}
