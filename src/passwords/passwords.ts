import type { Config } from '../config/config.js'
import { Problem } from '../problems.js'
import { REQUEST_TIMEOUTS } from '../timeouts.js'
import type { StoredCost, Verdict } from './hashes.js'
import { memoryOf } from './memory.js'
import { HashQueue, type Turn } from './queue.js'
import { isInForce, isOwnFormat, type Scheme, schemeOf } from './scheme.js'
import { HashDeadlineError, inThread } from './threads.js'

/** Hashes and verifies passwords with limited concurrency, so that a flood of log-ins cannot use up the processors. */
export class Passwords {
  readonly #scheme: Scheme
  readonly #queue: HashQueue
  readonly #deadlineMs: number
  /**
   * The smoothed cost of verifying each kind of hash that is not of the current scheme, in units of the current scheme.
   */
  readonly #costs = new Map<string, number>()

  constructor(config: Config, { deadlineMs = REQUEST_TIMEOUTS.hashMs } = {}) {
    this.#scheme = schemeOf(config)
    this.#queue = new HashQueue(config.HASH_QUEUE)
    this.#deadlineMs = deadlineMs
  }

  /** How many hashes run at once. */
  get slots(): number {
    return this.#queue.slots
  }

  /** How many hashes wait for a processor. */
  get waiting(): number {
    return this.#queue.waiting
  }

  /**
   * Called before a log-in attempt is written to the database. @throws Problem hashing_overloaded when the queue is
   * full
   */
  assertRoom(turn: Turn): void {
    this.#queue.assertRoom(turn)
  }

  /** The hash to store. @throws Problem hashing_overloaded */
  async hash(password: string, turn?: Turn): Promise<string> {
    try {
      return await this.#queue.run(() => inThread('hashPassword', [password, this.#scheme], this.#deadlineMs), turn)
    } catch (cause) {
      throw cause instanceof HashDeadlineError ? new Problem('hashing_overloaded', { cause }) : cause
    }
  }

  /**
   * Whether the password matches the stored hash. A wrong password takes the same time for every account, even without
   * a stored hash. A foreign hash that misses the deadline counts as a wrong password, because its parameters are too
   * expensive. A Latchkey hash misses the deadline only if the processors are overloaded, so the result is an error.
   * @throws Problem hashing_overloaded
   */
  verify(password: string, stored: string | undefined, turn?: Turn): Promise<Verdict> {
    const work = () => this.#verify(password, stored)
    return this.#queue.run(work, { ...turn, memory: this.#memoryOf(stored) }, ({ restMs }) => restMs)
  }

  /** Whether a stored hash has the current scheme and parameters. */
  isInForce(stored: string): boolean {
    return isInForce(stored, this.#scheme)
  }

  /** Measures the cost of a hash that is not of the current scheme. @throws Problem hashing_overloaded */
  async measure(stored: string): Promise<void> {
    await this.#queue.run(() => this.#verify('', stored), { memory: this.#memoryOf(stored) })
  }

  /**
   * The share of a stored hash in the common memory budget. Hashes of the current scheme count as 0: each slot has
   * memory reserved for them.
   */
  #memoryOf(stored: string | undefined): number {
    return stored === undefined || this.isInForce(stored) ? 0 : memoryOf(stored)
  }

  async #verify(password: string, stored: string | undefined): Promise<Verdict> {
    try {
      const highestWork = Math.max(0, ...this.#costs.values())
      const verdict = await inThread('verifyPassword', [password, stored, this.#scheme, highestWork], this.#deadlineMs)
      if (verdict.cost) this.#learn(verdict.cost)
      return verdict
    } catch (error) {
      if (!(error instanceof HashDeadlineError)) throw error
      const isForeign = stored !== undefined && !isOwnFormat(stored)
      if (!isForeign) throw new Problem('hashing_overloaded', { cause: error })
      return { isRight: false, isOutdated: false, restMs: 0 }
    }
  }

  #learn({ settings, work }: StoredCost): void {
    const before = this.#costs.get(settings) ?? work
    this.#costs.set(settings, 0.8 * before + 0.2 * work)
  }
}
