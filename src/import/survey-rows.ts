import type { Database } from '../database/database.js'
import type { Kind, MappedTable } from './columns.js'
import { idOfRow, readOwnedRow, whyLeftOut } from './owned-row.js'
import type { Plan } from './plan.js'
import type { Stage } from './stage.js'
import { noteObjections, type StatusReport, statusReports } from './status-reports.js'
import { bump, emptyTally, type Tally } from './tally.js'
import { FILED_AS, idsImported, ROWS_ASKED } from './target.js'

interface Dependencies {
  plan: Plan
  stage: Stage
  target: Database | undefined
}

/**
 * Determines the outcome of each row of a table and the effect of its status columns. Adds rows to import to the stage.
 */
export async function surveyRows(
  kind: Exclude<Kind, 'users'>,
  table: MappedTable,
  { plan, stage, target }: Dependencies,
): Promise<{ tally: Tally; status: StatusReport[] }> {
  const tally = emptyTally()
  const status = statusReports(table.status)
  let ids: string[] = []
  const settle = async () => {
    const here = target ? await idsImported(target, plan, FILED_AS[kind], ids) : new Map()
    tally.already += here.size
    tally.ready += ids.length - here.size
    ids = []
  }
  for await (const source of table.rows()) {
    tally.read += 1
    const row = readOwnedRow(source, kind, table, plan.now)
    if (typeof row !== 'string') noteObjections(row.objections, status)
    const skip = whyLeftOut(row, stage)
    if (typeof row === 'string' || skip !== undefined) bump(tally.skipped, skip ?? '')
    else {
      const id = idOfRow(row, stage.addRow(kind, row.oldId))
      if (id === undefined) bump(tally.skipped, 'an id that came before')
      else ids.push(id)
    }
    if (ids.length === ROWS_ASKED) await settle()
  }
  await settle()
  return { tally, status: status.map((report) => ({ ...report, column: `${kind}.${report.column}` })) }
}
