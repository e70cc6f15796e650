import { isName, isText } from '../compat.js'
import type { Kind, MappedTable } from './columns.js'
import { type IdFault, readOldId } from './old-ids.js'
import type { Row } from './source.js'
import { exactTextOf, isYes } from './values.js'

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

export type RowSkip =
  | Exclude<IdFault, 'no id'>
  | 'no owner'
  | 'no title, or one that cannot be kept'
  | 'a description that cannot be kept'

/** Reads a row that belongs to somebody; a text says why it cannot be taken over. */
export function readOwnedRow(row: Row, kind: Exclude<Kind, 'users'>, { columns }: MappedTable): ImportedRow | RowSkip {
  const value = (field: string) => (columns[field] === undefined ? undefined : row[columns[field]])
  const owner = readOldId(value('owner'))
  if ('fault' in owner) return owner.fault === 'no id' ? 'no owner' : owner.fault
  const old = readOldId(value('id'))
  if ('fault' in old && old.fault !== 'no id') return old.fault
  const title = exactTextOf(value(kind === 'todos' ? 'title' : 'name'))
  const description = exactTextOf(value('description'))
  if (!isName(title)) return 'no title, or one that cannot be kept'
  if (description !== null && (!isText(description) || [...description].length > DESCRIPTION_MAX_LENGTH)) {
    return 'a description that cannot be kept'
  }
  const oldId = 'fault' in old ? `${owner.id}/${title}` : old.id
  return { oldId, oldOwner: owner.id, title, description, done: isYes(value('done')) }
}
