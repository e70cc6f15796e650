import type { Config } from '../config/config.js'
import { OF_REQUESTS } from '../patience.js'
import { Problem } from '../problems.js'
import type { StoredCost, Verdict } from './hashes.js'
import { memoryOf } from './memory.js'
import { HashQueue, type Turn } from './queue.js'
import { isInForce, isOwnFormat, type Scheme, schemeOf } from './scheme.js'
import { HashDeadlineError, inThread } from './threads.js'

/** Hashes and verifies passwords, a few at a time, so that a flood of log-ins cannot use up the processors. */
export class Passwords {
  readonly #scheme: Scheme
  readonly #queue: HashQueue
  readonly #deadlineMs: number
  /** What a try of each kind of hash takes that is not of the scheme in force, in units of that scheme, smoothed. */
  readonly #costs = new Map<string, number>()

  constructor(config: Config, { deadlineMs = OF_REQUESTS.hashMs } = {}) {
    this.#scheme = schemeOf(config)
    this.#queue = new HashQueue(config.HASH_QUEUE)
    this.#deadlineMs = deadlineMs
  }

  /** How many hashes run at once. */
  get slots(): number {
    return this.#queue.slots
  }

  /** How many wait for a processor. */
  get waiting(): number {
    return this.#queue.waiting
  }

  /** Called before a try is written to the database. @throws Problem hashing_overloaded when the queue would refuse it now */
  assertRoom(turn?: Turn): void {
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
   * Whether the password is the one of the stored hash; being wrong takes as long whatever is stored, also when nothing is.
   * A hash of another system that is not done in time is a wrong password: it was made to take that long. Latchkey's own
   * is late only where the processors are overloaded, which says nothing of the password.
   * @throws Problem hashing_overloaded
   */
  verify(password: string, stored: string | undefined, turn?: Turn): Promise<Verdict> {
    const work = () => this.#verify(password, stored)
    return this.#queue.run(work, { ...turn, memory: this.#memoryOf(stored) }, ({ restMs }) => restMs)
  }

  /** Whether a stored hash is what would be written today. */
  isInForce(stored: string): boolean {
    return isInForce(stored, this.#scheme)
  }

  /** Learns what a try of such a hash takes, if it is not of the scheme in force. @throws Problem hashing_overloaded */
  async measure(stored: string): Promise<void> {
    await this.#queue.run(() => this.#verify('', stored), { memory: this.#memoryOf(stored) })
  }

  /** What a stored hash takes of the memory that all share. Each slot has memory of its own for the scheme in force. */
  #memoryOf(stored: string | undefined): number {
    return stored === undefined || this.isInForce(stored) ? 0 : memoryOf(stored)
  }

  async #verify(password: string, stored: string | undefined): Promise<Verdict> {
    try {
      const dearest = Math.max(0, ...this.#costs.values())
      const verdict = await inThread('verifyPassword', [password, stored, this.#scheme, dearest], this.#deadlineMs)
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
