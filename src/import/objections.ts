import type { MappedTable, StatusColumn } from './columns.js'
import type { Row } from './source.js'
import { judge, spell, type Verdict } from './status-values.js'

/** A column that keeps somebody or a row out, and its value there. */
export interface Objection {
  column: string
  verdict: Exclude<Verdict, 'on'>
  value: string
}

/** The columns that keep somebody or a row out. Those that the operator has to explain first do so meanwhile. */
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
