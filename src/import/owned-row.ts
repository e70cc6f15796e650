import { isName, isText } from '../compat.js'
import type { Kind, MappedTable } from './columns.js'
import type { Row } from './source.js'
import { isYes, textOf } from './values.js'

/** v1's own bound, in characters. */
const DESCRIPTION_MAX_LENGTH = 10_000

/** Somebody's row as it would be here. */
export interface ImportedRow {
  oldId: string
  oldOwner: string
  /** The title of a todo, the name of a tutorial. */
  title: string
  description: string | null
  done: boolean
}

export type RowSkip = 'no owner' | 'no title, or one that cannot be kept' | 'a description that cannot be kept'

/** Reads a row that belongs to somebody; a text says why it cannot be taken over. */
export function readOwnedRow(row: Row, kind: Exclude<Kind, 'users'>, { columns }: MappedTable): ImportedRow | RowSkip {
  const value = (field: string) => (columns[field] === undefined ? undefined : row[columns[field]])
  const oldOwner = textOf(value('owner'))
  const title = textOf(value(kind === 'todos' ? 'title' : 'name'))
  const description = textOf(value('description'))
  if (oldOwner === null) return 'no owner'
  if (!isName(title)) return 'no title, or one that cannot be kept'
  if (description !== null && (!isText(description) || [...description].length > DESCRIPTION_MAX_LENGTH)) {
    return 'a description that cannot be kept'
  }
  const oldId = textOf(value('id')) ?? `${oldOwner}/${title}`
  return { oldId, oldOwner, title, description, done: isYes(value('done')) }
}
