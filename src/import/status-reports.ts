import type { StatusColumn } from './columns.js'
import type { Objection } from './objections.js'
import { bump } from './tally.js'

/** The most distinct values that are counted; a column with more is not a status. */
const VALUES_COUNTED = 100
const VALUE_MAX_LENGTH = 60

/** The effect of a column that determines who may log in, or which rows are deleted. */
export interface StatusReport {
  column: string
  kind: StatusColumn['kind']
  isMapped: boolean
  /** How many users or rows the column excludes. */
  disables: number
  /** The values that are not understood, with their counts. */
  unknown: Record<string, number>
}

export function statusReports(columns: StatusColumn[]): StatusReport[] {
  return columns.map(({ column, kind, isMapped }) => ({
    column,
    kind,
    isMapped,
    disables: 0,
    unknown: Object.create(null),
  }))
}

/** Whether the operator must explain a column: the name alone does not tell what its numbers or words mean. */
export function isUnclear({ kind, isMapped, unknown }: StatusReport): boolean {
  const isAsked = kind === 'status' || kind === 'region' || kind.startsWith('maybe')
  return !isMapped && (kind === 'unclear' || (isAsked && Object.keys(unknown).length > 0))
}

/** The same for a column of rows: only the operator knows whether an inactive row is deleted. */
export function isUnclearOfRows({ kind, isMapped, disables, unknown }: StatusReport): boolean {
  return !isMapped && ((kind !== 'disabled' && disables > 0) || Object.keys(unknown).length > 0)
}

export function noteObjections(objections: Objection[], reports: StatusReport[]): void {
  for (const objection of objections) noteObjection(objection, reports)
}

function noteObjection({ column, verdict, value }: Objection, reports: StatusReport[]): void {
  const report = reports.find((report) => report.column === column)
  if (report === undefined) return
  report.disables += 1
  if (verdict !== 'unknown') return
  const text = value.slice(0, VALUE_MAX_LENGTH)
  const isKnown = Object.hasOwn(report.unknown, text) || Object.keys(report.unknown).length < VALUES_COUNTED
  bump(report.unknown, isKnown ? text : 'others')
}
