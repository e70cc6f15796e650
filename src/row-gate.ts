/** So many rows are read at the same moment, in this process: at up to 40 kB each, about 40 MB. */
const ROWS_AT_ONCE = 1_000

interface Waiting {
  rows: number
  enter(): void
}

let free = ROWS_AT_ONCE
const waiting: Waiting[] = []

/**
 * Reads up to so many rows, when there is room for them: hundreds of large pages that are asked for at once would fill the
 * memory before the first of them is cut to its size. First come, first served.
 */
export async function withRoomFor<Result>(rows: number, read: () => PromiseLike<Result>): Promise<Result> {
  if (waiting.length > 0 || free < rows) await new Promise<void>((enter) => waiting.push({ rows, enter }))
  else free -= rows
  try {
    return await read()
  } finally {
    free += rows
    for (let next = waiting[0]; next !== undefined && next.rows <= free; next = waiting[0]) {
      waiting.shift()
      free -= next.rows
      next.enter()
    }
  }
}
