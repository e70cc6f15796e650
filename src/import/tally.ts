/** The number of rows and their outcomes: `read` is the sum of the others. */
export interface Tally {
  read: number
  ready: number
  already: number
  skipped: Record<string, number>
}

/** A count, and the names of some. */
export interface Named {
  count: number
  names: string[]
}

const NAMES_SHOWN = 10

export function emptyTally(): Tally {
  return { read: 0, ready: 0, already: 0, skipped: {} }
}

export function bump(counts: Record<string, number>, key: string, by = 1): void {
  counts[key] = (counts[key] ?? 0) + by
}

export function addName(named: Named, name: string): void {
  named.count += 1
  if (named.names.length < NAMES_SHOWN) named.names.push(name)
}
