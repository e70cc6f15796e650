import type { Lane } from './lane.js'

/** The pause after the first failed attempt to connect. Each further failure doubles the pause. */
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000

/** A few lanes, opened in the background. While no lane is open, the pool executes the statements. */
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
   * Returns the lane that already holds statements of this tick, or else the lane with the fewest unanswered
   * statements. Undefined if every lane is busy. Opens a missing lane in the background if `isWanted`.
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

/** Statements sent together cost one write here and one read on the server. */
function isBetter(lane: Lane, best: Lane): boolean {
  return lane.isLeaving || (!best.isLeaving && lane.unanswered < best.unanswered)
}
