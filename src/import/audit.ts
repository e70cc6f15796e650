import { Events } from '../audit/events.js'
import type { Config } from '../config/config.js'
import type { Database } from '../database/database.js'
import type { ImportResult } from './run.js'

/** Runs an import with an event before and after it. An import that was interrupted has the first event only. */
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

/** How many rows of each kind were imported, as in "9 users, 3 todos". */
function countsOf(result: ImportResult): string {
  return Object.entries(result)
    .map(([kind, { ready }]) => `${ready} ${kind}`)
    .join(', ')
}
