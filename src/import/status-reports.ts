import type { StatusColumn } from './columns.js'
import type { Objection } from './objections.js'
import { bump } from './tally.js'

/** Different values of a column that are counted; one that holds more is no status. */
const VALUES_COUNTED = 100
const VALUE_MAX_LENGTH = 60

/** What a column does that says who may log in, or which rows are deleted. */
export interface StatusReport {
  column: string
  kind: StatusColumn['kind']
  isMapped: boolean
  /** How many people or rows it keeps out. */
  disables: number
  /** The values among theirs that are not understood, with how often they come. */
  unknown: Record<string, number>
}

export function statusReports(columns: StatusColumn[]): StatusReport[] {
  return columns.map(({ column, kind, isMapped }) => ({
    ...{ column, kind, isMapped },
    disables: 0,
    unknown: Object.create(null),
  }))
}

/** A name alone does not say what a number or a word in a column of states means. */
export function isUnclear({ kind, isMapped, unknown }: StatusReport): boolean {
  const isAsked = kind === 'status' || kind === 'region' || kind.startsWith('maybe')
  return !isMapped && (kind === 'unclear' || (isAsked && Object.keys(unknown).length > 0))
}

/** Whether a row that is not active is deleted, only the operator knows. */
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
