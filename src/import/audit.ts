import { Events } from '../audit/events.js'
import type { Config } from '../config/config.js'
import type { Database } from '../database/database.js'
import type { ImportResult } from './run.js'

/** Runs an import, and records an event before and after it. An interrupted import has only the first event. */
export async function recordImport(
  database: Database,
  config: Config,
  { source, apply }: { source: string; apply: () => Promise<ImportResult> },
): Promise<ImportResult> {
  const events = new Events(database, config)
  const nobody = { userId: null, actorId: null }
  await events.record({ type: 'import.started', ...nobody, reason: source })
  const result = await apply()
  await events.record({ type: 'import.finished', ...nobody, reason: `${source}: ${countsOf(result)}` })
  return result
}

/** The number of imported rows of each kind, such as "9 users, 3 todos". */
function countsOf(result: ImportResult): string {
  return Object.entries(result)
    .map(([kind, { ready }]) => `${ready} ${kind}`)
    .join(', ')
}
