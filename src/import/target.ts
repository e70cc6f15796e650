import { domainToUnicode } from 'node:url'
import { and, eq, inArray, or } from 'drizzle-orm'
import { keptForms } from '../accounts/imported-ids.js'
import { identifierKey } from '../accounts/names.js'
import type { Database, Tables } from '../database/database.js'
import type { Origin } from './plan.js'
import type { Stage } from './stage.js'

/** The kind under which ids are stored. */
export const FILED_AS = { users: 'user', tutorials: 'tutorial', todos: 'todo' } as const
/** Rows per query of the target. */
export const ROWS_ASKED = 500

/** Finds users who were imported earlier, and users whose names are taken here. */
export async function compareWith({ db, tables }: Database, origin: Origin, stage: Stage): Promise<void> {
  const { users } = tables
  for (const people of stage.ready(ROWS_ASKED)) {
    const oldIds = people.map(({ oldId }) => oldId)
    const here = await namesImported({ db, tables }, origin, oldIds)
    const keys = people.flatMap(keysOf)
    const taken = await db
      .select({ usernameKey: users.usernameKey, emailKey: users.emailKey })
      .from(users)
      .where(or(inArray(users.usernameKey, keys), inArray(users.emailKey, keys)))
    const names = new Set(taken.flatMap(({ usernameKey, emailKey }) => [usernameKey, emailKey]))
    for (const { oldId, usernameKey, emailKey } of people) {
      const isTaken = keysOf({ usernameKey, emailKey }).some((key) => names.has(key))
      const oldName = here.get(oldId)
      if (oldName !== undefined) {
        const isSame = oldName === null || [usernameKey, emailKey].includes(identifierKey(oldName.trim()))
        stage.setOutcome(
          oldId,
          isSame ? 'already here' : "an id of somebody else's in an earlier import of this --name",
        )
      } else if (isTaken) stage.setOutcome(oldId, 'a name taken here')
    }
  }
}

/** The keys under which a user may be stored here. Older versions kept the domain of an address as typed. */
function keysOf({ usernameKey, emailKey }: { usernameKey: string | null; emailKey: string | null }): string[] {
  return [usernameKey, emailKey].flatMap((key) => {
    const [, local, domain] = /^(.*@)(.*xn--.*)$/.exec(key ?? '') ?? []
    return key === null ? [] : domain === undefined ? [key] : [key, `${local}${domainToUnicode(domain)}`]
  })
}

/** The names that users imported earlier had in their source, by old id; null for users deleted since. */
async function namesImported(
  { db, tables: { importedIds } }: Pick<Database, 'db' | 'tables'>,
  origin: Origin,
  oldIds: string[],
): Promise<Map<string, string | null>> {
  const { oldId, oldName, kind, source } = importedIds
  const idOfForm = idsByForm(origin, oldIds)
  const isMeant = and(eq(source, origin.source), eq(kind, 'user'), inArray(oldId, [...idOfForm.keys()]))
  const rows = await db.select({ oldId, oldName }).from(importedIds).where(isMeant)
  return new Map(rows.map((row) => [idOfForm.get(row.oldId) ?? row.oldId, row.oldName]))
}

/** The new ids of rows imported earlier, by old id. */
export async function idsImported(
  { db, tables: { importedIds } }: Pick<Database, 'db' | 'tables'>,
  origin: Origin,
  kind: Tables['importedIds']['$inferSelect']['kind'],
  oldIds: string[],
): Promise<Map<string, number>> {
  if (oldIds.length === 0) return new Map()
  const { oldId, newId, source } = importedIds
  const idOfForm = idsByForm(origin, oldIds)
  const isMeant = and(eq(source, origin.source), eq(importedIds.kind, kind), inArray(oldId, [...idOfForm.keys()]))
  const rows = await db.select({ oldId, newId }).from(importedIds).where(isMeant)
  return new Map(rows.map((row) => [idOfForm.get(row.oldId) ?? row.oldId, row.newId]))
}

/** Old ids, by the forms in which they may be stored. */
function idsByForm({ erasureKeys, source }: Origin, oldIds: string[]): Map<string, string> {
  return new Map(oldIds.flatMap((oldId) => keptForms(erasureKeys, source, oldId).map((form) => [form, oldId])))
}
