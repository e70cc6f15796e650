import { isName, isText } from '../compat/tutorial.js'
import { DESCRIPTION_MAX_LENGTH, isLongerThan } from '../text-lengths.js'
import type { Kind, MappedTable } from './columns.js'
import { type Objection, objectionsTo } from './objections.js'
import { type IdFault, readOldId } from './old-ids.js'
import type { Row } from './source.js'
import type { Stage } from './stage.js'
import { isYes } from './status-values.js'
import { exactTextOf } from './values.js'

/** A row with an owner, as it will be stored. */
export interface ImportedRow {
  /** For a row without an id: its owner and title, which other rows may share. */
  oldId: string
  hasId: boolean
  oldOwner: string
  /** The title of a todo, the name of a tutorial. */
  title: string
  description: string | null
  done: boolean
  /** The columns that mark the row as deleted. */
  objections: Objection[]
}

type RowSkip =
  | Exclude<IdFault, 'no id'>
  | 'no owner'
  | 'no title, or one that cannot be kept'
  | 'a description that cannot be kept'

/** Reads a row that has an owner. Returns a text, the reason, if the row is skipped. */
export function readOwnedRow(
  row: Row,
  kind: Exclude<Kind, 'users'>,
  table: MappedTable,
  now: number,
): ImportedRow | RowSkip {
  const { columns } = table
  const value = (field: string) => (columns[field] === undefined ? undefined : row[columns[field]])
  const owner = readOldId(value('owner'))
  if ('fault' in owner) return owner.fault === 'no id' ? 'no owner' : owner.fault
  const old = readOldId(value('id'))
  if ('fault' in old && old.fault !== 'no id') return old.fault
  const title = exactTextOf(value(kind === 'todos' ? 'title' : 'name'))
  const description = exactTextOf(value('description'))
  if (!isName(title)) return 'no title, or one that cannot be kept'
  if (description !== null && (!isText(description) || isLongerThan(DESCRIPTION_MAX_LENGTH, description))) {
    return 'a description that cannot be kept'
  }
  const hasId = !('fault' in old)
  return {
    oldId: hasId ? old.id : `${owner.id}/${title}`,
    hasId,
    oldOwner: owner.id,
    title,
    description,
    done: isYes(value('done')),
    objections: objectionsTo(row, table, now),
  }
}

/** The reason to skip a row; undefined if its owner is imported. */
export function whyLeftOut(row: ImportedRow | RowSkip, stage: Stage): string | undefined {
  if (typeof row === 'string') return row
  if (row.objections.length > 0) return 'deleted there'
  const outcome = stage.outcomeOf(row.oldOwner)
  if (outcome === 'ready' || outcome === 'taken over' || outcome === 'already here') return undefined
  return outcome === undefined ? 'an owner who is not there' : 'an owner who is left out'
}

/**
 * The id under which the `count`th row with an `oldId` is stored; undefined for a repeated id. Rows without an id, but
 * with the same owner and title, are numbered in their order.
 */
export function idOfRow({ oldId, hasId }: ImportedRow, count: number | undefined): string | undefined {
  if (count === undefined || (hasId && count > 1)) return undefined
  return count === 1 ? oldId : JSON.stringify([oldId, count])
}
