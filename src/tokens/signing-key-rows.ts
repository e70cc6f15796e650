import { and, asc, eq, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { Database, Tables } from '../database/database.js'

/**
 * How long a key still verifies after it stopped signing: longer than the lifetime of any token. That is at most one
 * hour (ACCESS_TOKEN_TTL), and one day in `routes/compat`.
 */
export const OVERLAP_MS = 25 * 3_600_000

/** A set of successive keys: the use of their signatures, and the algorithm (RFC 7518). */
export interface KeySet {
  use: 'access' | 'id_token'
  alg: 'ES256' | 'RS256'
}
/** The keys of access tokens. A single algorithm prevents algorithm confusion. */
export const ACCESS_KEYS = { use: 'access', alg: 'ES256' } as const satisfies KeySet

/**
 * The additional authenticated data under which a private key is encrypted. It includes the use, so that an attacker
 * who can write to the database cannot turn an id_token key into an access token key. For access tokens
 * it is the kid alone, as it was before there was another use.
 */
export function sealNameOf({ use, alg }: KeySet, kid: string): string {
  return use === 'access' ? kid : `${use} ${alg} ${kid}`
}

/** A row of the table. */
export type Row = Awaited<ReturnType<ReturnType<typeof prepareSelect>['execute']>>[number]

/** A key as shown to operators. */
export type KeyState = Pick<Row, 'kid' | 'use' | 'alg' | 'signsFrom' | 'retiresAt'> & {
  opens: boolean
  isOfFirstSecret: boolean
}

/** Whether the key has started to sign. */
export function isSigning(row: Row): boolean {
  return row.isSigning === 1
}

/**
 * The keys that would retire while their tokens may still be valid, with the expiry that they need: the newest key has
 * no expiry, and a key that signs now or later must outlast the start of its successor by `OVERLAP_MS`.
 */
export function endingTooSoon(keys: Row[]): Pick<Row, 'kid' | 'retiresAt'>[] {
  return keys.flatMap(({ kid, retiresAt }, index) => {
    const later = keys.slice(index + 1)
    if (retiresAt === null || later.some(isSigning)) return []
    const end = later.length === 0 ? null : Math.min(...later.map(({ signsFrom }) => signsFrom)) + OVERLAP_MS
    return end === null || end > retiresAt ? [{ kid, retiresAt: end }] : []
  })
}

/** Condition: the key is not retired. */
export function isLive({ tables: { signingKeys }, now }: Database): SQL | undefined {
  return or(isNull(signingKeys.retiresAt), sql`${signingKeys.retiresAt} > ${now}`)
}

/** Condition: the key belongs to the set. */
export function isOf({ use, alg }: KeySet, { signingKeys }: Tables): SQL | undefined {
  return and(eq(signingKeys.use, use), eq(signingKeys.alg, alg))
}

/** The keys of a set that are not retired, oldest first. */
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
