import type { MappedTable, StatusColumn } from './columns.js'
import type { Row } from './source.js'
import { judge, spell, type Verdict } from './status-values.js'

/** A column that excludes a user or a row, and its value. */
export interface Objection {
  column: string
  verdict: Exclude<Verdict, 'on'>
  value: string
}

/** The columns that exclude a user or a row, including those that the operator must explain first. */
export function objectionsTo(row: Row, { status }: MappedTable, now: number): Objection[] {
  return status.flatMap((column): Objection[] => {
    const value = row[column.column]
    const verdict = verdictOf(column, value, now)
    return verdict === 'on' ? [] : [{ column: column.column, verdict, value: spell(value ?? '') }]
  })
}

function verdictOf({ kind, values }: StatusColumn, value: unknown, now: number): Verdict {
  if (values === undefined) return judge(kind, value, now)
  const isNamed = values.some((named) => spell(named) === spell(value ?? ''))
  return isNamed === (kind === 'active') ? 'on' : 'off'
}
