const BAR_WIDTH = 30
const REDRAW_MS = 100
/** Without a terminal, one line is printed for each tenth. */
const LINES = 10

/** Shows the progress of an import on standard error: a bar on a terminal, lines elsewhere. */
export class Progress {
  readonly #totals: Record<string, number>
  readonly #isTerminal = process.stderr.isTTY
  #startedAt = performance.now()
  #drawnAt = 0
  #kind = ''
  #tenths = 0

  /** @param totals the number of rows of each kind */
  constructor(totals: Record<string, number>) {
    this.#totals = totals
  }

  show(kind: string, done: number): void {
    const total = this.#totals[kind] ?? 0
    if (kind !== this.#kind) {
      this.#kind = kind
      this.#tenths = 0
      this.#startedAt = performance.now()
    }
    const share = total === 0 ? 1 : Math.min(1, done / total)
    if (this.#isTerminal) this.#draw(kind, done, total, share)
    else this.#tell(kind, done, total, share)
  }

  #draw(kind: string, done: number, total: number, share: number): void {
    if (share < 1 && performance.now() - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = performance.now()
    const bar = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '.')
    process.stderr.write(`\r[${bar}] ${grouped(done)} of ${grouped(total)} ${kind}${this.#left(share)}\x1b[K`)
    if (share === 1) process.stderr.write('\n')
  }

  #tell(kind: string, done: number, total: number, share: number): void {
    const tenths = Math.floor(share * LINES)
    if (tenths === this.#tenths) return
    this.#tenths = tenths
    process.stderr.write(`${grouped(done)} of ${grouped(total)} ${kind}${this.#left(share)}\n`)
  }

  #left(share: number): string {
    if (share === 0 || share === 1) return ''
    return `, ${spelled(((performance.now() - this.#startedAt) * (1 - share)) / share)} left`
  }
}

/** With thousands separators: 12,345. */
export function grouped(count: number): string {
  return count.toLocaleString('en')
}

/** A duration in words. */
export function spelled(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1_000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`
}
