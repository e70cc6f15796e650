import type { Lane } from './lane.js'

/** After a first failed attempt to connect; each further one doubles it. */
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000

/** A few lanes, which connect in the background: while there is none, the pool does their work. */
export class Lanes {
  readonly #open: () => Promise<Lane>
  readonly #size: number
  #lanes: Lane[] = []
  #isConnecting = false
  #isClosed = false
  #pauseMs = FIRST_PAUSE_MS
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(size: number, open: () => Promise<Lane>) {
    this.#size = size
    this.#open = open
  }

  add(lane: Lane): void {
    this.#lanes.push(lane)
  }

  /**
   * The lane that others of this tick leave by, or else the one with the fewest; undefined when none would answer soon. One that
   * is missing connects where it is wanted.
   */
  take(isWanted = true): Lane | undefined {
    let best: Lane | undefined
    let missing = this.#size
    for (const lane of this.#lanes) {
      if (lane.isIdle) lane.retire()
      if (lane.isRetired) continue
      missing -= 1
      if (lane.isOpen && (best === undefined || isBetter(lane, best))) best = lane
    }
    if (missing > 0 && isWanted) this.#connect()
    return best
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#lanes.map((lane) => lane.retire()))
  }

  async #connect(): Promise<void> {
    if (this.#isConnecting || this.#isClosed || performance.now() < this.#pausedUntil) return
    this.#isConnecting = true
    this.#lanes = this.#lanes.filter(({ isRetired }) => !isRetired)
    try {
      const lane = await this.#open()
      if (this.#isClosed) lane.retire()
      else this.add(lane)
      this.#pauseMs = FIRST_PAUSE_MS
    } catch {
      this.#pausedUntil = performance.now() + this.#pauseMs
      this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS)
    } finally {
      this.#isConnecting = false
    }
  }
}

/** Statements that leave together cost one write, and the server one read. */
function isBetter(lane: Lane, best: Lane): boolean {
  return lane.isLeaving || (!best.isLeaving && lane.unanswered < best.unanswered)
}
