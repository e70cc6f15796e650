import { Readable } from 'node:stream'

/** The most that is read ahead of a client, unless one row is larger. Every list that is being sent keeps this in memory. */
const CHUNK_BYTES = 256 * 1_024

export interface Pages<Row> {
  first: Row[]
  /** How many rows a full page has; one with fewer is the last. */
  size: number
  /** At most so many rows, from behind the row of this id. */
  after(id: number, count: number): PromiseLike<Row[]>
  toItem(row: Row): object
}

/** All rows as one JSON array, read from the database as fast as the client reads: there may be gigabytes. */
export function arrayStream<Row extends { id: number }>(pages: Pages<Row>): Readable {
  return Readable.from(arrayChunks(pages), { objectMode: false })
}

/** The same array as a part of a document: its JSON, a chunk at a time. */
export async function* arrayChunks<Row extends { id: number }>({ first, size, after, toItem }: Pages<Row>) {
  let rows = first
  let separator = '['
  for (let count = size; ; ) {
    const isLast = rows.length < count
    const items = fitting(rows, toItem)
    const last = rows[items.length - 1]
    const isWhole = items.length === rows.length
    // The client may be slow, so the rows that did not fit into this chunk are dropped and read again.
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
