import { createSecretKey, type KeyObject } from 'node:crypto'
import { and, eq, inArray, or, sql } from 'drizzle-orm'
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Config } from '../config/config.js'
import { type LegacySecret, parseLegacySecret } from '../config/secrets.js'
import type { Database, Db } from '../database/database.js'
import { hasNeededFactor } from '../database/factor-policy.js'
import { Problem } from '../problems.js'
import { CLIENT_ID, CLOCK_SKEW_S, type UserCaller } from './access-tokens.js'

/** The only algorithm of the tutorials. The keys are HMAC key objects, so no other algorithm can use them. */
const ALGORITHM = 'HS256'
/** A UUID as text. SQLAlchemy and Django store a UUID in SQLite as 32 hex digits, other programs as 16 bytes. */
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i
const BEARER = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/
/** Old tokens have no session. */
const NO_SESSION = 'legacy'

/** The user that a token may name: by the id in the old system or, if `sub` is text, by the username. */
interface Subject {
  ids: string[]
  name?: string
}

interface Key extends Pick<LegacySecret, 'until' | 'source'> {
  key: KeyObject
}

/**
 * Tokens that another system signed before its users were imported. They are verified until the cut-off date of their
 * secret, and never issued. The user is looked up only through the import, and an admin is never accepted.
 */
export class LegacyTokens {
  readonly #database: Database
  readonly #policy: Config['MFA']
  readonly #keys: readonly Key[]

  constructor(database: Database, { LEGACY_TOKENS, MFA }: Config) {
    this.#database = database
    this.#policy = MFA
    this.#keys = LEGACY_TOKENS.map(parseLegacySecret).map(({ secret, until, source }) => {
      return { key: createSecretKey(Buffer.from(secret)), until, source }
    })
  }

  /**
   * The user of a legacy token in an Authorization header. Undefined if the header has no token signed with a secret in
   * force; the token is then verified as an access token. @throws Problem invalid_token
   */
  async identify(header: string | undefined): Promise<UserCaller | undefined> {
    const token = BEARER.exec(header ?? '')?.[1]
    if (token === undefined || algorithmOf(token) !== ALGORITHM) return undefined
    for (const { key, until, source } of this.#keys) {
      if (Date.now() >= until) continue
      const claims = await verify(token, key)
      if (claims !== undefined) return this.#callerOf(claims, await subjectOf(token, claims), source)
    }
    return undefined
  }

  async #callerOf(
    { iat, exp = 0, type = 'access' }: JWTPayload,
    subject: Subject,
    source: string,
  ): Promise<UserCaller> {
    const isFromFuture = iat !== undefined && iat > Date.now() / 1_000 + CLOCK_SKEW_S
    if (type !== 'access' || isFromFuture) throw new Problem('invalid_token')
    const [found, ...others] = await this.#find(source, subject)
    // A text may be the username of one user and the id of another: ambiguous, so refused.
    if (found === undefined || others.length > 0) throw new Problem('invalid_token')
    const { userId, role, isActive, notBefore, isEnrolled } = found
    const isTooOld = notBefore !== null && (iat === undefined || iat * 1_000 <= notBefore)
    if (!isActive || !isEnrolled || role === 'admin' || isTooOld) throw new Problem('invalid_token')
    const bearer = { clientId: CLIENT_ID, scopes: undefined, expiresAt: exp * 1_000 }
    return Object.freeze({ kind: 'user', ...bearer, userId, role, sessionId: NO_SESSION, authTime: 0 })
  }

  async #find(source: string, { ids, name }: Subject) {
    const { db, tables } = this.#database
    const { importedIds, users } = tables
    if (ids.length === 0) return []
    // A column, not a condition: a condition could hide one of two ambiguous users.
    const isEnrolled = hasNeededFactor(this.#database, this.#policy) ?? sql`1 = 1`
    const isMeant = or(inArray(importedIds.oldId, ids), name === undefined ? undefined : eq(importedIds.oldName, name))
    return db
      .select({
        userId: users.id,
        role: users.role,
        isActive: users.isActive,
        notBefore: importedIds.notBefore,
        isEnrolled: sql`case when ${isEnrolled} then 1 else 0 end`.mapWith(Boolean),
      })
      .from(importedIds)
      .innerJoin(users, eq(users.id, importedIds.newId))
      .where(and(eq(importedIds.source, source), eq(importedIds.kind, 'user'), isMeant))
      .limit(2)
  }
}

/** Revokes the legacy tokens of a user, within the transaction of `db`. Resolves to whether the user may have any. */
export async function endLegacyTokens(
  { tables: { importedIds }, now }: Database,
  db: Db,
  userId: number,
): Promise<boolean> {
  const rows = await db
    .update(importedIds)
    .set({ notBefore: now })
    .where(and(eq(importedIds.kind, 'user'), eq(importedIds.newId, userId)))
    .returning({ id: importedIds.id })
  return rows.length > 0
}

function algorithmOf(token: string): unknown {
  try {
    return decodeProtectedHeader(token).alg
  } catch {
    return undefined
  }
}

/** The subject of a token. JSON.parse rounds 64-bit numbers, so these are parsed again without loss. */
async function subjectOf(token: string, { sub }: { sub?: unknown }): Promise<Subject> {
  if (typeof sub === 'string' && sub !== '' && !sub.includes('\0') && sub.isWellFormed()) {
    return { ids: UUID.test(sub) ? [sub, sub.replaceAll('-', '').toLowerCase()] : [sub], name: sub }
  }
  if (typeof sub !== 'number') return { ids: [] }
  if (Number.isSafeInteger(sub)) return { ids: [String(sub)] }
  const { parse } = await import('lossless-json')
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  const { sub: exact } = parse(payload, undefined, (number) => number) as { sub: string }
  return { ids: /^-?\d+$/.test(exact) ? [exact] : [] }
}

/** The claims of a token. Undefined if the token is not signed with this key. @throws Problem invalid_token */
async function verify(token: string, key: KeyObject): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, { algorithms: [ALGORITHM], requiredClaims: ['sub', 'exp'] })
    return payload
  } catch (cause) {
    if (cause instanceof errors.JWSSignatureVerificationFailed) return undefined
    const code = cause instanceof errors.JWTExpired ? 'LEGACY_TOKEN_EXPIRED' : 'LEGACY_TOKEN_INVALID'
    throw new Problem('invalid_token', { cause: { code, cause } })
  }
}
