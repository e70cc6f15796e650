import { Readable } from 'node:stream'

interface Pages<Row> {
  first: Row[]
  /** How many rows a full page has; one with fewer is the last. */
  size: number
  /** The page behind the row of this id. */
  after(id: number): PromiseLike<Row[]>
  toItem(row: Row): object
}

/** All rows as one array of JSON, read as fast as the client does: there may be gigabytes of them. */
export function arrayStream<Row extends { id: number }>({ first, size, after, toItem }: Pages<Row>): Readable {
  async function* chunks() {
    let separator = '['
    for (let rows = first; ; ) {
      for (const row of rows) {
        yield separator + JSON.stringify(toItem(row))
        separator = ','
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < size) break
      rows = await after(last.id)
    }
    yield ']'
  }
  return Readable.from(chunks(), { objectMode: false })
}
