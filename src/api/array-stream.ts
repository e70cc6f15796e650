import { Readable } from 'node:stream'

/** How much of a list is buffered for a slow client, unless one row is larger. */
const CHUNK_BYTES = 256 * 1_024

export interface Pages<Row> {
  first: Row[]
  /** The number of rows of a full page; a shorter page is the last. */
  size: number
  /** Reads at most `count` rows after the row of this id. */
  after(id: number, count: number): PromiseLike<Row[]>
  toItem(row: Row): object
}

/** All rows as one JSON array, which may be gigabytes: reads the database as fast as the client reads. */
export function arrayStream<Row extends { id: number }>(pages: Pages<Row>): Readable {
  return Readable.from(arrayChunks(pages), { objectMode: false })
}

/** As `arrayStream`, in chunks of JSON for a part of a document. */
export async function* arrayChunks<Row extends { id: number }>({ first, size, after, toItem }: Pages<Row>) {
  let rows = first
  let separator = '['
  for (let count = size; ; ) {
    const isLast = rows.length < count
    const items = fitting(rows, toItem)
    const last = rows[items.length - 1]
    const isWhole = items.length === rows.length
    // Drops the rows that did not fit into this chunk, and reads them again: a slow client would keep them in memory.
    rows = []
    if (last === undefined) break
    yield separator + items.join(',')
    separator = ','
    if (isLast && isWhole) break
    count = isWhole ? Math.min(size, 2 * count) : items.length
    rows = await after(last.id, count)
  }
  yield separator === '[' ? '[]' : ']'
}

/** One chunk of JSON: as many rows as fit, at least one. */
function fitting<Row>(rows: Row[], toItem: (row: Row) => object): string[] {
  const items: string[] = []
  let room = CHUNK_BYTES
  for (const row of rows) {
    const item = JSON.stringify(toItem(row))
    room -= Buffer.byteLength(item)
    if (room < 0 && items.length > 0) break
    items.push(item)
  }
  return items
}
