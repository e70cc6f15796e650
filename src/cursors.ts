import { Type } from '@sinclair/typebox'
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

/** One page of rows that were asked for with one more than the limit, so that it is known whether there is a next one. */
export function toPage<Row extends { id: number }, Item>(rows: Row[], limit: number, toItem: (row: Row) => Item) {
  const shown = rows.length > limit ? rows.slice(0, limit) : rows
  const last = shown.at(-1)
  return { items: shown.map(toItem), next_cursor: rows.length > limit && last ? encodeCursor(last.id) : null }
}

/** The id that a cursor stands for; without one, an id before which everything comes. @throws Problem invalid_cursor */
export function decodeCursor(cursor: string | undefined): number {
  if (cursor === undefined) return Number.MAX_SAFE_INTEGER
  const id = Number(/^before:([1-9]\d{0,15})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1])
  if (!Number.isSafeInteger(id)) throw new Problem('invalid_cursor')
  return id
}

function encodeCursor(id: number): string {
  return Buffer.from(`before:${id}`).toString('base64url')
}
