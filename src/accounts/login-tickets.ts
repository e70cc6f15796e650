import type { Secret } from '../tokens/secret.js'
import { SealedTickets } from './sealed-tickets.js'
import type { User } from './user-rows.js'

const LIFETIME_MS = 5 * 60_000
/** Longer than any ticket. */
export const TICKET_MAX_LENGTH = 512

/** How somebody proved who they are before the second factor, in a word of RFC 8176: by a password, or by a mailed code. */
export type FirstFactor = 'pwd' | 'otp'

/** What stands in a session of two factors, in words of RFC 8176. */
export function withSecond(first: FirstFactor, second = 'otp'): string {
  return `${[...new Set([first, ...second.split(' ')])].join(' ')} mfa`
}

/** What a ticket says: who proved who they are, by what, and under which auth_version. */
export interface Ticket {
  userId: number
  authVersion: number
  first: FirstFactor
}

/**
 * What somebody gets whose password or mailed code is right and whose second factor is missing. It opens nothing but the routes that take the
 * factor, and ends when anything changes about how the account is logged in to. No row is written for it.
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

  /** What a ticket says; undefined where it is not ours or has expired. */
  read(text: string): Ticket | undefined {
    const ticket = this.#tickets.read(text)
    if (ticket === undefined) return undefined
    const { userId, authVersion, more } = ticket
    // One of an earlier version has no first factor: it knew passwords alone.
    const [first = 'pwd'] = more
    return { userId, authVersion, first }
  }
}
