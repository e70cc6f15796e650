import { Type } from '@sinclair/typebox'
import { type Placeholder, sql } from 'drizzle-orm'
import { Problem } from './problems.js'

export const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100

/** The query of a list: how many, and after which. */
export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT, description: 'How many rows at most.' }),
  ),
  cursor: Type.Optional(
    Type.String({ maxLength: 64, description: 'The `next_cursor` of the page before; without it, the first page.' }),
  ),
}

/** The rest of a list: null at its end. */
export const nextCursor = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  description: 'The cursor of the next page; null on the last one.',
})

/**
 * The limit of a prepared list. Cast, because SQLite plans by the value of a bare LIMIT parameter, and so would parse the
 * statement anew each time; drizzle's types know a bare one alone.
 */
export const pageCount = sql`cast(${sql.placeholder('count')} as integer)` as unknown as Placeholder<'count', number>

/** The pages of one list: a cursor of another list is none of its own. */
export function pagesOf(list: string) {
  return {
    /** The id that a cursor stands for; without one, an id before which everything comes. @throws Problem invalid_cursor */
    before(cursor: string | undefined): number {
      if (cursor === undefined) return Number.MAX_SAFE_INTEGER
      const [, name, digits] = /^(\w+):([1-9]\d{0,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
      const id = name === list ? Number(digits) : Number.NaN
      if (!Number.isSafeInteger(id)) throw new Problem('invalid_cursor')
      return id
    },

    /** A page of rows that were asked for with one more than the limit, so that it is known whether there is a next one. */
    page<Row extends { id: number }, Item>(rows: Row[], limit: number, toItem: (row: Row) => Item) {
      const shown = rows.length > limit ? rows.slice(0, limit) : rows
      const last = rows.length > limit ? shown.at(-1) : undefined
      const next_cursor = last === undefined ? null : Buffer.from(`${list}:${last.id}`).toString('base64url')
      return { items: shown.map(toItem), next_cursor }
    },
  }
}
