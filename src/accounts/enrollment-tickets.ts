import { seal, unseal } from '../tokens/sealing.js'
import type { Secret } from '../tokens/secret.js'
import type { FirstFactor } from './login-tickets.js'

/** Longer than the ticket of a log-in: people look for an app and install it meanwhile. */
const LIFETIME_MS = 15 * 60_000
/** Bound into the seal. */
const PURPOSE = 'enrollment'

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
  readonly #keys: readonly Buffer[]

  constructor(secret: Secret) {
    this.#keys = secret.derive('enrollment-ticket')
  }

  make({ userId, authVersion, first, confirmation }: EnrollmentTicket): string {
    const content = [userId, authVersion, Date.now() + LIFETIME_MS, first, confirmation]
    return seal(JSON.stringify(content), PURPOSE, this.#keys)
  }

  /** What a ticket says; undefined where it is not ours or has expired. */
  read(text: string): EnrollmentTicket | undefined {
    const opened = unseal(text, PURPOSE, this.#keys)
    if (opened === undefined) return undefined
    const content = JSON.parse(opened) as [number, number, number, FirstFactor, Confirmation]
    const [userId, authVersion, expiresAt, first, confirmation] = content
    return expiresAt > Date.now() ? { userId, authVersion, first, confirmation } : undefined
  }
}
