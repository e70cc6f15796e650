import { availableParallelism } from 'node:os'
import { hashes, timed } from './measures.js'
import { Problem } from './problems.js'

/** How long a log-in may wait for a processor. */
const QUEUE_DEADLINE_MS = 2_000
/** Each thread that hashes takes some 10 MiB. */
const MOST_SLOTS = 16

/** For whom a hash is computed. */
export interface Waiting {
  /** Whether nobody waits for the answer any more. */
  isGone?(): boolean
}

interface Place {
  isGone(): boolean
  start(): void
  giveUp(): void
}

/** Runs as many hashes at once as there are processors, up to a number, and lets a few more wait. */
export class HashQueue {
  /** How many run at once. */
  readonly slots: number
  readonly #places = new Set<Place>()
  readonly #limit: number
  #running = 0

  constructor(limit: number, workers: number) {
    this.#limit = limit
    this.slots = Math.min(Math.max(1, Math.floor(availableParallelism() / workers)), MOST_SLOTS)
  }

  /** How many wait. */
  get waiting(): number {
    return this.#places.size
  }

  /** @throws Problem hashing_overloaded when too many wait, or this one has waited too long or in vain */
  async run<Result>(task: () => Promise<Result>, waiting: Waiting = {}): Promise<Result> {
    if (this.#running < this.slots) this.#running += 1
    else await this.#turn(waiting)
    try {
      return await timed(hashes, task)
    } finally {
      this.#leaveOutGone()
      const [next] = this.#places
      if (next) next.start()
      else this.#running -= 1
    }
  }

  /** @throws Problem hashing_overloaded when all slots are taken, and so are all places to wait */
  assertRoom(): void {
    if (this.#running < this.slots) return
    if (this.#places.size >= this.#limit) this.#leaveOutGone()
    if (this.#places.size >= this.#limit) throw new Problem('hashing_overloaded')
  }

  /** Resolves when a slot is handed over. */
  #turn({ isGone = () => false }: Waiting): Promise<void> {
    this.assertRoom()
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        this.#places.delete(place)
      }
      const place: Place = {
        isGone,
        start() {
          leave()
          resolve()
        },
        giveUp() {
          leave()
          reject(new Problem('hashing_overloaded'))
        },
      }
      const timer = setTimeout(place.giveUp, QUEUE_DEADLINE_MS)
      this.#places.add(place)
    })
  }

  /** A flood whose clients do not wait for its answers would otherwise be hashed to its end. */
  #leaveOutGone(): void {
    for (const place of this.#places) if (place.isGone()) place.giveUp()
  }
}
