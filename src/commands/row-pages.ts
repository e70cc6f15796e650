const ROWS_AT_ONCE = 500

/** Reads a list page by page, up to `max` rows. `read` returns the next rows after `last`, or the first rows. */
export async function* rowPages<Row>(
  read: (limit: number, last: Row | undefined) => PromiseLike<Row[]>,
  max = Number.POSITIVE_INFINITY,
): AsyncGenerator<Row[]> {
  let last: Row | undefined
  for (let left = max; left > 0; ) {
    const rows = await read(Math.min(ROWS_AT_ONCE, left), last)
    if (rows.length === 0) return
    yield rows
    last = rows.at(-1)
    left -= rows.length
  }
}
