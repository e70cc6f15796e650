/** All rows are read again this often. */
const READ_ALL_EVERY_MS = 60_000
/** How far back each read goes. A commit may become visible later than its own timestamp. */
export const RECENT_MS = 60_000

interface Read<Row> {
  execute(parameters?: Record<string, unknown>): PromiseLike<Row[]>
}

/**
 * Polls rows that other processes change: each read returns the rows changed in the last minute, and once a minute all
 * rows.
 */
export class ChangedRows<Row> {
  readonly #all: Read<Row>
  readonly #recent: Read<Row>
  #readAllAt = Number.NEGATIVE_INFINITY

  constructor({ all, recent }: { all: Read<Row>; recent: Read<Row> }) {
    this.#all = all
    this.#recent = recent
  }

  /** The rows, and whether they are all rows of the table. */
  async read(): Promise<{ rows: Row[]; isAll: boolean }> {
    const startedAt = performance.now()
    const isAll = startedAt - this.#readAllAt >= READ_ALL_EVERY_MS
    const rows = await (isAll ? this.#all : this.#recent).execute()
    if (isAll) this.#readAllAt = startedAt
    return { rows, isAll }
  }
}
