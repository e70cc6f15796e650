import { availableParallelism } from 'node:os'
import { THREAD_POOL_SIZE } from './config.js'
import { Problem } from './problems.js'

/** How long a log-in may wait for a processor. */
const QUEUE_DEADLINE_MS = 2_000

/** Runs a few hashes at once and lets a few more wait, so that the thread pool keeps a thread for files and names. */
export class HashQueue {
  /** How many run at once. */
  readonly slots: number
  readonly #waiting: (() => void)[] = []
  readonly #limit: number
  #running = 0

  constructor(limit: number, workers: number) {
    this.#limit = limit
    this.slots = Math.max(1, Math.min(Math.floor(availableParallelism() / workers), THREAD_POOL_SIZE - 1))
  }

  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.slots) this.#running += 1
    else await this.#turn()
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running -= 1
    }
  }

  /** Resolves when a slot is handed over. */
  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#limit) throw new Problem('hashing_overloaded')
    return new Promise((resolve, reject) => {
      const start = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        reject(new Problem('hashing_overloaded'))
      }, QUEUE_DEADLINE_MS)
      this.#waiting.push(start)
    })
  }
}
