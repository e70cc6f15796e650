import { seal, unseal } from '../tokens/sealing.js'
import type { Secret } from '../tokens/secret.js'
import type { User } from './user-rows.js'

const LIFETIME_MS = 5 * 60_000
/** Bound into the seal. */
const PURPOSE = 'login'

/** What a ticket says: whose password was proved, and under which auth_version. */
export interface Ticket {
  userId: number
  authVersion: number
}

/**
 * What somebody gets whose password is right and whose second factor is missing. It opens nothing but the routes that take the
 * factor, and ends when anything changes about how the account is logged in to. No row is written for it.
 */
export class LoginTickets {
  readonly #keys: readonly Buffer[]

  constructor(secret: Secret) {
    this.#keys = secret.derive('login-ticket')
  }

  make({ id, authVersion }: Pick<User, 'id' | 'authVersion'>): string {
    return seal(JSON.stringify([id, authVersion, Date.now() + LIFETIME_MS]), PURPOSE, this.#keys)
  }

  /** What a ticket says; undefined where it is not ours or has expired. */
  read(text: string): Ticket | undefined {
    const opened = unseal(text, PURPOSE, this.#keys)
    if (opened === undefined) return undefined
    const [userId, authVersion, expiresAt] = JSON.parse(opened) as [number, number, number]
    return expiresAt > Date.now() ? { userId, authVersion } : undefined
  }
}
