import { and, asc, eq, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { Database, Tables } from '../database/database.js'

/** How long a key still verifies after it stopped signing: longer than any token lives. */
export const OVERLAP_MS = 25 * 3_600_000

/** Keys that follow each other: what their signatures are for, and the algorithm (RFC 7518). */
export interface KeySet {
  use: 'access' | 'id_token'
  alg: 'ES256' | 'RS256'
}
/** The keys of access tokens: one algorithm, for signing and for verifying. */
export const ACCESS_KEYS = { use: 'access', alg: 'ES256' } as const satisfies KeySet

/**
 * What a key is sealed under. Whoever can write to the database cannot have a key of id_tokens, which every client gets, verify
 * access tokens.
 */
export function sealNameOf({ use, alg }: KeySet, kid: string): string {
  return use === 'access' ? kid : `${use} ${alg} ${kid}`
}

/** A key as the database has it. */
export type Row = Awaited<ReturnType<ReturnType<typeof prepareSelect>['execute']>>[number]

/** A key as operators see it. */
export type KeyState = Pick<Row, 'kid' | 'use' | 'alg' | 'signsFrom' | 'retiresAt'> & {
  opens: boolean
  isOfFirstSecret: boolean
}

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

/** The condition that a key is of a set. */
export function isOf({ use, alg }: KeySet, { signingKeys }: Tables): SQL | undefined {
  return and(eq(signingKeys.use, use), eq(signingKeys.alg, alg))
}

/** The keys of a set that are not retired, the oldest first. */
export function prepareSelect(database: Database, set: KeySet) {
  const { db, tables, now } = database
  const { signingKeys } = tables
  return db
    .select({
      kid: signingKeys.kid,
      use: signingKeys.use,
      alg: signingKeys.alg,
      sealedPrivateKey: signingKeys.sealedPrivateKey,
      signsFrom: signingKeys.signsFrom,
      retiresAt: signingKeys.retiresAt,
      isSigning: sql<number>`case when ${signingKeys.signsFrom} <= ${now} then 1 else 0 end`.mapWith(Number),
    })
    .from(signingKeys)
    .where(and(isOf(set, tables), isLive(database)))
    .orderBy(asc(signingKeys.position))
    .prepare(`select_signing_keys_${set.use}_${set.alg.toLowerCase()}`)
}
