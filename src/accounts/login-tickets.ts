import { seal, unseal } from '../tokens/sealing.js'
import type { Secret } from '../tokens/secret.js'
import type { User } from './user-rows.js'

const LIFETIME_MS = 5 * 60_000
/** Longer than any ticket. */
export const TICKET_MAX_LENGTH = 512
/** Bound into the seal. */
const PURPOSE = 'login'

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
  readonly #keys: readonly Buffer[]

  constructor(secret: Secret) {
    this.#keys = secret.derive('login-ticket')
  }

  make({ id, authVersion }: Pick<User, 'id' | 'authVersion'>, first: FirstFactor): string {
    return seal(JSON.stringify([id, authVersion, Date.now() + LIFETIME_MS, first]), PURPOSE, this.#keys)
  }

  /** What a ticket says; undefined where it is not ours or has expired. */
  read(text: string): Ticket | undefined {
    const opened = unseal(text, PURPOSE, this.#keys)
    if (opened === undefined) return undefined
    // One of an earlier version has no first factor: it knew passwords alone.
    const [userId, authVersion, expiresAt, first = 'pwd'] = JSON.parse(opened) as [number, number, number, FirstFactor?]
    return expiresAt > Date.now() ? { userId, authVersion, first } : undefined
  }
}
