import { seal, unseal } from '../tokens/sealing.js'
import type { DerivedKeys } from '../tokens/secret.js'

interface Kind {
  keys: DerivedKeys
  /** Authenticated by the seal, so that a ticket for one purpose is invalid for another. */
  purpose: string
  lifetimeMs: number
}

/** Encrypted, short-lived tickets for a user at an auth_version. Only this service can read them. Nothing is stored. */
export class SealedTickets<More extends unknown[]> {
  readonly #kind: Kind

  constructor(kind: Kind) {
    this.#kind = kind
  }

  make(userId: number, authVersion: number, ...more: More): string {
    const { keys, purpose, lifetimeMs } = this.#kind
    return seal(JSON.stringify([userId, authVersion, Date.now() + lifetimeMs, ...more]), purpose, keys)
  }

  /** The content of a ticket; undefined if the ticket is forged or expired. */
  read(text: string): { userId: number; authVersion: number; more: More } | undefined {
    const opened = unseal(text, this.#kind.purpose, this.#kind.keys)
    if (opened === undefined) return undefined
    const [userId, authVersion, expiresAt, ...more] = JSON.parse(opened) as [number, number, number, ...More]
    return expiresAt > Date.now() ? { userId, authVersion, more } : undefined
  }
}
