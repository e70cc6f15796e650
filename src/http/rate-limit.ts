import { hash, randomBytes } from 'node:crypto'

const WINDOW_MS = 60_000
const ROWS = 4
/** 2^18 cells a row, 4 MiB in all: a million requests in a window add some four to any cell. */
const COLUMN_BITS = 18
const COLUMNS = 2 ** COLUMN_BITS

/** One of the budgets that a request takes from. */
export interface Budget {
  key: string
  /** How many requests it holds in each window. */
  max: number
}

/** What the tightest budget of a request says. */
export interface Allowance {
  /** Whose budget it is. */
  key: string
  isRefused: boolean
  max: number
  remaining: number
  /** When the window ends, in seconds. */
  resetS: number
}

/**
 * Counts requests by key, in windows of a minute and in the memory of this process. It is a count-min sketch: a key has a
 * cell in each row, and the lowest of its cells is its count. Memory is fixed and nothing is evicted, so a client with
 * any number of networks cannot make it forget what a network has used up. A key can only be counted too high, by others
 * that share all of its cells; the seed keeps secret which those are.
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

  /** Takes one request from each of the budgets, or from none of them if one is used up. */
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

  /** The count of a key, whose cells are added to `cells`. */
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
