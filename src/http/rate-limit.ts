import { hash, randomBytes } from 'node:crypto'

const WINDOW_MS = 60_000
const ROWS = 4
/** 2^18 cells per row, 4 MiB in total: a million requests in a window add about four to each cell. */
const COLUMN_BITS = 18
const COLUMNS = 2 ** COLUMN_BITS

/** A budget that a request uses. */
export interface Budget {
  key: string
  /** The requests per window. */
  max: number
}

/** The state of the most restrictive budget of a request. */
export interface Allowance {
  /** The key of the budget. */
  key: string
  isRefused: boolean
  max: number
  remaining: number
  /** The time until the window ends, in seconds. */
  resetS: number
}

/**
 * Counts requests by key in windows of a minute, in the memory of this process. A count-min sketch: a key has a cell in
 * each row, and its count is the lowest of its cells. Memory is fixed and nothing is evicted, so a client with any
 * number of networks cannot erase the count of a network. A count can only be too high, if other keys share all cells
 * of a key; the secret seed prevents deliberate collisions.
 */
export class RateLimit {
  readonly #seed = randomBytes(16).toString('base64')
  readonly #counts = new Uint32Array(ROWS * COLUMNS)
  readonly #now: () => number
  #windowEndsAt = Number.NEGATIVE_INFINITY

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Takes one request from each budget, or from none if a budget is used up. */
  take(budgets: readonly Budget[]): Allowance {
    const resetS = this.#secondsLeft()
    const cells: number[] = []
    let [tightest, remaining] = [{ key: '', max: 0 }, Number.POSITIVE_INFINITY]
    for (const budget of budgets) {
      const left = budget.max - this.#count(budget.key, cells) - 1
      if (left < remaining) [tightest, remaining] = [budget, left]
    }
    const { key, max } = tightest
    if (remaining < 0) return { isRefused: true, key, max, remaining: 0, resetS }
    for (const cell of cells) this.#counts[cell] = (this.#counts[cell] ?? 0) + 1
    return { isRefused: false, key, max, remaining, resetS }
  }

  #secondsLeft(): number {
    const now = this.#now()
    if (now >= this.#windowEndsAt) {
      this.#counts.fill(0)
      this.#windowEndsAt = now + WINDOW_MS
    }
    return Math.ceil((this.#windowEndsAt - now) / 1_000)
  }

  /** The count of a key. Appends its cells to `cells`. */
  #count(key: string, cells: number[]): number {
    const digest = hash('sha256', this.#seed + key, 'buffer')
    let lowest = Number.POSITIVE_INFINITY
    for (let row = 0; row < ROWS; row += 1) {
      const cell = row * COLUMNS + (digest.readUInt32BE(4 * row) >>> (32 - COLUMN_BITS))
      lowest = Math.min(lowest, this.#counts[cell] ?? 0)
      cells.push(cell)
    }
    return lowest
  }
}
