import type { Config } from './config.js'
import { HashQueue, type Waiting } from './hash-queue.js'
import { inThread } from './hash-threads.js'
import type { Verdict } from './password-hashes.js'

/** The longest password, in code points. */
export const PASSWORD_MAX_LENGTH = 256

/** Hashes and verifies passwords, a few at a time, so that a flood of log-ins cannot take the process. */
export class Passwords {
  readonly #cost: number
  readonly #queue: HashQueue

  constructor({ BCRYPT_COST, HASH_QUEUE, WORKERS }: Config) {
    this.#cost = BCRYPT_COST
    this.#queue = new HashQueue(HASH_QUEUE, WORKERS)
  }

  /** How many hashes run at once. */
  get slots(): number {
    return this.#queue.slots
  }

  /** How many wait for a processor. */
  get waiting(): number {
    return this.#queue.waiting
  }

  /** @throws Problem hashing_overloaded when a password would be refused now: before anything is written for its sake */
  assertRoom(): void {
    this.#queue.assertRoom()
  }

  /** The hash to store. @throws Problem hashing_overloaded */
  hash(password: string, waiting?: Waiting): Promise<string> {
    return this.#queue.run(() => inThread('hashPassword', password, this.#cost), waiting)
  }

  /**
   * Whether the password is the one of the stored hash; being wrong takes as long whatever is stored, also when nothing is.
   * @throws Problem hashing_overloaded
   */
  verify(password: string, stored: string | undefined, waiting?: Waiting): Promise<Verdict> {
    return this.#queue.run(() => inThread('verifyPassword', password, stored, this.#cost), waiting)
  }
}
