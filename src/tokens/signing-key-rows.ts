import { asc, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../database/database.js'

/** How long a key still verifies after it stopped signing: longer than any token lives. */
export const OVERLAP_MS = 25 * 3_600_000

/** A key as the database has it. */
export type Row = Awaited<ReturnType<ReturnType<typeof prepareSelect>['execute']>>[number]

/** A key as operators see it. */
export type KeyState = Pick<Row, 'kid' | 'signsFrom' | 'retiresAt'> & { opens: boolean; isOfFirstSecret: boolean }

/** Whether the time of a key has come. */
export function isSigning(row: Row): boolean {
  return row.isSigning === 1
}

/**
 * The keys of these, in their order, that would end while their tokens may be alive, with the end that they need: the newest
 * has none, and another one that still signs, or will, ends after the one that takes over from it has begun.
 */
export function endingTooSoon(keys: Row[]): Pick<Row, 'kid' | 'retiresAt'>[] {
  return keys.flatMap(({ kid, retiresAt }, index) => {
    const later = keys.slice(index + 1)
    if (retiresAt === null || later.some(isSigning)) return []
    const end = later.length === 0 ? null : Math.min(...later.map(({ signsFrom }) => signsFrom)) + OVERLAP_MS
    return end === null || end > retiresAt ? [{ kid, retiresAt: end }] : []
  })
}

/** The condition that a key is not retired. */
export function isLive({ tables: { signingKeys }, now }: Database): SQL | undefined {
  return or(isNull(signingKeys.retiresAt), sql`${signingKeys.retiresAt} > ${now}`)
}

/** The keys that are not retired, the oldest first. */
export function prepareSelect(database: Database) {
  const { db, tables, now } = database
  const { signingKeys } = tables
  return db
    .select({
      kid: signingKeys.kid,
      sealedPrivateKey: signingKeys.sealedPrivateKey,
      signsFrom: signingKeys.signsFrom,
      retiresAt: signingKeys.retiresAt,
      isSigning: sql<number>`case when ${signingKeys.signsFrom} <= ${now} then 1 else 0 end`.mapWith(Number),
    })
    .from(signingKeys)
    .where(isLive(database))
    .orderBy(asc(signingKeys.position))
    .prepare('select_signing_keys')
}
