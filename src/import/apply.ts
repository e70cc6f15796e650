import { inArray, or } from 'drizzle-orm'
import { normalizeName } from '../accounts/names.js'
import type { Database } from '../database/database.js'
import type { Passwords } from '../passwords/passwords.js'
import { applyRows } from './apply-rows.js'
import type { MappedTable } from './columns.js'
import { idOf, type KeptIds, reserveIds } from './ids.js'
import type { ImportResult, ImportRun } from './run.js'
import type { Stage } from './stage.js'
import { bump, emptyTally, type Tally } from './tally.js'
import { type ImportedUser, NO_PASSWORD, readUser } from './user.js'

/** Users per transaction. An interrupted import continues after the last transaction. */
const ROWS_AT_ONCE = 500

/**
 * Writes what the survey found ready: users first, then their rows. In the result, `ready` counts written rows. A
 * transaction writes rows together with their old ids, so that nothing is imported twice.
 */
export async function applyImport(run: ImportRun): Promise<ImportResult> {
  const { plan, stage, database } = run
  const result: ImportResult = { users: emptyTally() }
  for (const kind of ['users', 'tutorials', 'todos'] as const) {
    const table = plan.tables[kind]
    if (table === undefined) continue
    const kept = await database.longTransaction((db) => reserveIds(db, database, plan.source, kind, stage))
    const tally = emptyTally()
    if (kind === 'users') await applyUsers(run, table, kept, tally)
    else await applyRows(run, kind, table, kept, tally)
    result[kind] = tally
  }
  return result
}

async function applyUsers(
  { plan, stage, database, passwords, progress }: ImportRun,
  table: MappedTable,
  kept: KeptIds,
  tally: Tally,
): Promise<void> {
  let batch: ImportedUser[] = []
  const write = async () => {
    const hashes = await hashPlaintext(batch, passwords, () => progress.show('users', tally.read))
    const written = await insertUsers(database, plan.source, kept, batch, hashes)
    tally.ready += written
    // These names were registered since the survey.
    for (let left = batch.length - written; left > 0; left -= 1) bump(tally.skipped, 'a name taken here')
    batch = []
    progress.show('users', tally.read)
  }
  for await (const row of table.rows()) {
    tally.read += 1
    const user = readUser(row, table, plan)
    if (typeof user === 'string') bump(tally.skipped, user)
    else if (stage.take(user.oldId)) batch.push(user)
    else if (stage.outcomeOf(user.oldId) === 'already here') tally.already += 1
    else bump(tally.skipped, whyNotTaken(stage, user.oldId))
    if (batch.length === ROWS_AT_ONCE) await write()
  }
  await write()
}

function whyNotTaken(stage: Stage, oldId: string): string {
  const outcome = stage.outcomeOf(oldId)
  return outcome === undefined || outcome === 'taken over' ? 'an id that came before' : outcome
}

/** The hashes for users whose source has plaintext passwords, which are not stored. */
async function hashPlaintext(
  people: ImportedUser[],
  passwords: Passwords,
  onHash: () => void,
): Promise<Map<string, string>> {
  const open = people.flatMap(({ oldId, password }) =>
    password.kind === 'plaintext' ? [[oldId, password.plaintext] as const] : [],
  )
  const hashes = new Map<string, string>()
  for (let start = 0; start < open.length; start += passwords.slots) {
    const some = open.slice(start, start + passwords.slots)
    await Promise.all(some.map(async ([oldId, plaintext]) => hashes.set(oldId, await passwords.hash(plaintext))))
    onHash()
  }
  return hashes
}

async function insertUsers(
  database: Database,
  source: string,
  kept: KeptIds,
  people: ImportedUser[],
  hashes: Map<string, string>,
): Promise<number> {
  if (people.length === 0) return 0
  const { tables, now } = database
  const rows = people.map(({ oldId, username, usernameKey, email, emailKey, name, isActive, password, createdAt }) => ({
    ...idOf(oldId, kept),
    username,
    usernameKey,
    email,
    emailKey,
    name,
    isActive,
    nameKey: name && normalizeName(name),
    passwordHash: password.kind === 'hash' ? password.hash : (hashes.get(oldId) ?? NO_PASSWORD),
    createdAt: createdAt ?? now,
    updatedAt: now,
  }))
  return database.longTransaction(async (db) => {
    // `on conflict do nothing` skips names that are taken in the same column. User names that are addresses here, and
    // the reverse, would fail the statement.
    const { users } = tables
    const crossed = await db
      .select({ usernameKey: users.usernameKey, emailKey: users.emailKey })
      .from(users)
      .where(
        or(
          inArray(
            users.usernameKey,
            rows.flatMap(({ emailKey }) => emailKey ?? []),
          ),
          inArray(
            users.emailKey,
            rows.flatMap(({ usernameKey }) => usernameKey ?? []),
          ),
        ),
      )
    const taken = new Set(crossed.flatMap(({ usernameKey, emailKey }) => [usernameKey, emailKey]))
    const free = rows.filter(
      ({ usernameKey, emailKey }) => ![usernameKey, emailKey].some((key) => key && taken.has(key)),
    )
    if (free.length === 0) return 0
    const written = await db.insert(tables.users).values(free).onConflictDoNothing().returning({
      newId: tables.users.id,
      usernameKey: tables.users.usernameKey,
      emailKey: tables.users.emailKey,
    })
    // As JSON, because a name may contain any separator, such as a line feed.
    const keyOf = (row: Pick<ImportedUser, 'usernameKey' | 'emailKey'>) =>
      JSON.stringify([row.usernameKey, row.emailKey])
    const newIds = new Map(written.map((row) => [keyOf(row), row.newId]))
    const ids = people.flatMap((person) => {
      const { oldId, username, email } = person
      const newId = newIds.get(keyOf(person))
      return newId === undefined ? [] : [{ source, kind: 'user' as const, oldId, newId, oldName: username ?? email }]
    })
    if (ids.length > 0) await db.insert(tables.importedIds).values(ids)
    return ids.length
  })
}
