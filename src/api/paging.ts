import { Type } from '@sinclair/typebox'
import { type Placeholder, sql } from 'drizzle-orm'
import { Problem } from '../problems.js'

export const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100
/** The largest page, in bytes of its items: a client that does not read keeps it in this process's memory. */
const PAGE_BYTES = 256 * 1_024
/** An upper bound for the field names and numbers of an item. */
const ITEM_BYTES = 512
/** The longest JSON encoding of a UTF-16 unit: \\u0000. */
const ESCAPED_BYTES = 6

/** The longest cursor has 96 characters: `clients:` and an id of 64 characters, in base64url. */
const CURSOR_MAX_LENGTH = 128

/** The query parameters of a list. */
export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_LIMIT,
      default: DEFAULT_LIMIT,
      description: 'The maximum number of items per page.',
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: CURSOR_MAX_LENGTH,
      description: 'The `next_cursor` of the previous page. Omit it for the first page.',
    }),
  ),
}

export const nextCursor = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  description: 'The cursor of the next page; null on the last page.',
})

/**
 * The limit of a prepared list. The SQL cast is needed because SQLite plans by the value of a bare LIMIT parameter, and
 * would prepare the statement again each time. The TypeScript cast is needed because drizzle's types allow only a bare
 * parameter.
 */
export const pageCount = sql`cast(${sql.placeholder('count')} as integer)` as unknown as Placeholder<'count', number>

/** The pages of one list. A cursor of another list is invalid. */
export function pagesOf(list: string) {
  return {
    /** The id that a cursor stands for; without a cursor, the largest id. @throws Problem invalid_cursor */
    before(cursor: string | undefined): number {
      if (cursor === undefined) return Number.MAX_SAFE_INTEGER
      const [, name, digits] = /^(\w+):([1-9]\d{0,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
      const id = name === list ? Number(digits) : Number.NaN
      if (!Number.isSafeInteger(id)) throw new Problem('invalid_cursor')
      return id
    },

    /**
     * A page of rows that were selected with one more than the limit, which shows whether there is a next page. Ends
     * early, after at least one row, if the items would exceed PAGE_BYTES.
     */
    page<Row extends { id: number }, Item extends object>(rows: Row[], limit: number, toItem: (row: Row) => Item) {
      const items: Item[] = []
      let room = PAGE_BYTES
      for (const row of rows.length > limit ? rows.slice(0, limit) : rows) {
        const item = toItem(row)
        room -= sizeOf(item, room / limit)
        if (room < 0 && items.length > 0) break
        items.push(item)
      }
      const last = items.length < rows.length ? rows[items.length - 1] : undefined
      const next_cursor = last === undefined ? null : Buffer.from(`${list}:${last.id}`).toString('base64url')
      return { items, next_cursor }
    },
  }
}

/** An upper bound of an item's JSON size; the exact size if the bound exceeds the item's share. */
function sizeOf(item: object, share: number): number {
  let most = ITEM_BYTES
  for (const value of Object.values(item)) if (typeof value === 'string') most += ESCAPED_BYTES * value.length
  return most <= share ? most : Buffer.byteLength(JSON.stringify(item))
}
