import { Readable } from 'node:stream'

/** The most that is read ahead of a client, unless one row is larger: every list that is being read has this in memory. */
const CHUNK_BYTES = 256 * 1_024

interface Pages<Row> {
  first: Row[]
  /** How many rows a full page has; one with fewer is the last. */
  size: number
  /** At most so many rows, from behind the row of this id. */
  after(id: number, count: number): PromiseLike<Row[]>
  toItem(row: Row): object
}

/** All rows as one array of JSON, read as fast as the client does: there may be gigabytes of them. */
export function arrayStream<Row extends { id: number }>({ first, size, after, toItem }: Pages<Row>): Readable {
  let rows = first
  async function* chunks() {
    let separator = '['
    for (let count = size; ; ) {
      const isLast = rows.length < count
      const items = fitting(rows, toItem)
      const last = rows[items.length - 1]
      const isWhole = items.length === rows.length
      // The client may take long over this chunk, so what is left of the rows is not kept, but read again.
      rows = []
      if (last !== undefined) yield separator + items.join(',')
      if (last === undefined || (isLast && isWhole)) break
      separator = ','
      count = isWhole ? Math.min(size, 2 * count) : items.length
      rows = await after(last.id, count)
    }
    yield separator === '[' ? '[]' : ']'
  }
  return Readable.from(chunks(), { objectMode: false })
}

/** As much of the rows as JSON as makes one chunk, one row at the least. */
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
