import { seal, unseal } from '../tokens/sealing.js'

interface Kind {
  keys: readonly Buffer[]
  /** Bound into the seal. */
  purpose: string
  lifetimeMs: number
}

/** For a user under an auth_version: texts that say more about them, to nobody but this service and for a while. No row is written. */
export class SealedTickets<More extends unknown[]> {
  readonly #kind: Kind

  constructor(kind: Kind) {
    this.#kind = kind
  }

  make(userId: number, authVersion: number, ...more: More): string {
    const { keys, purpose, lifetimeMs } = this.#kind
    return seal(JSON.stringify([userId, authVersion, Date.now() + lifetimeMs, ...more]), purpose, keys)
  }

  /** What a ticket says; undefined where it is not ours or has expired. */
  read(text: string): { userId: number; authVersion: number; more: More } | undefined {
    const opened = unseal(text, this.#kind.purpose, this.#kind.keys)
    if (opened === undefined) return undefined
    const [userId, authVersion, expiresAt, ...more] = JSON.parse(opened) as [number, number, number, ...More]
    return expiresAt > Date.now() ? { userId, authVersion, more } : undefined
  }
}
