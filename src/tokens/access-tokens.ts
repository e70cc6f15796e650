import { randomUUID } from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { clientAudience, compatAudience } from '../config/public-url.js'
import { rolesIn } from './roles.js'

/**
 * The client id of Latchkey itself, whose tokens have no scope limit. RFC 9068 requires a client_id in every access
 * token.
 */
export const CLIENT_ID = 'latchkey'
/** The tolerated clock difference between two processes. */
export const CLOCK_SKEW_S = 30

/** How long after a log-in the user may change credentials, in seconds. */
const RECENT_S = 300

/** The longest lifetime of an access token of v1, in seconds: the upper bound of ACCESS_TOKEN_TTL. */
const LONGEST_LIFE_S = 3_600
/**
 * User ids are numeric and client ids begin with a letter, so a `sub` cannot be mistaken for the other kind (RFC 9700
 * section 4.15).
 */
const USER_ID = '[1-9][0-9]{0,15}'
const CLIENT_ID_PATTERN = '[A-Za-z][A-Za-z0-9_-]{2,127}'
/** The latest time in seconds since 1970 that stays an exact integer in milliseconds. */
const LATEST_S = Number.MAX_SAFE_INTEGER / 1_000

const Role = Type.Union([Type.Literal('user'), Type.Literal('admin')])
export type Role = Static<typeof Role>

/**
 * The claims of an access token, RFC 9068 section 2.2, with the session and the role of its user. Tokens of the
 * tutorial endpoints have no role.
 */
const AccessClaims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  sub: Type.String({ pattern: `^(${USER_ID}|${CLIENT_ID_PATTERN})$` }),
  client_id: Type.String({ pattern: `^${CLIENT_ID_PATTERN}$` }),
  sid: Type.Optional(Type.String({ minLength: 1 })),
  jti: Type.String({ minLength: 1 }),
  iat: Type.Integer({ minimum: 0 }),
  exp: Type.Integer({ minimum: 0, maximum: LATEST_S }),
  scope: Type.Optional(Type.String()),
  role: Type.Optional(Role),
  roles: Type.Optional(Type.Array(Type.String())),
  auth_time: Type.Optional(Type.Integer({ minimum: 0, maximum: LATEST_S })),
  amr: Type.Optional(Type.Array(Type.String())),
})
export type AccessClaims = Static<typeof AccessClaims>
const accessClaims = TypeCompiler.Compile(AccessClaims)

interface Bearer {
  readonly clientId: string
  /** The scope of the token. Undefined for a token of Latchkey itself, which has no limit. */
  readonly scopes: readonly string[] | undefined
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

/** A user, authenticated by a session or an API key. */
export interface UserCaller extends Bearer {
  readonly kind: 'user'
  readonly userId: number
  readonly sessionId: string
  readonly role: Role
  /** When the user last authenticated, in milliseconds since 1970. 0 if the token has no `auth_time`. */
  readonly authTime: number
  /** The API key, if the caller has no session. */
  readonly keyId?: string
}

/** A client that acts for itself. Its token belongs to no session. */
interface ClientCaller extends Bearer {
  readonly kind: 'client'
  /** The token's `jti`. */
  readonly tokenId: string
}

/** The authenticated sender of a request. Frozen, because the token cache shares the object between requests. */
export type Caller = UserCaller | ClientCaller

export interface Grant {
  issuer: string
  audience: string
  userId: number
  sessionId: string
  role?: Role
  /** Space-separated, as in the table. */
  roles?: string
  /** The authentication methods (space-separated values of RFC 8176) and time (in milliseconds since 1970). */
  proof?: { amr: string; authTime: number }
  /** A client other than Latchkey, with the scope of its token. */
  clientId?: string
  scope?: string
  lifetimeMs: number
}

/** The claims of a new access token. */
export function claimsFor(grant: Grant): AccessClaims {
  const issuedAt = Math.floor(Date.now() / 1_000)
  return {
    iss: grant.issuer,
    aud: grant.audience,
    sub: String(grant.userId),
    client_id: grant.clientId ?? CLIENT_ID,
    sid: grant.sessionId,
    jti: randomUUID(),
    iat: issuedAt,
    exp: issuedAt + Math.floor(grant.lifetimeMs / 1_000),
    ...(grant.scope !== undefined && { scope: grant.scope }),
    ...(grant.role && { role: grant.role }),
    ...(grant.proof && { auth_time: Math.floor(grant.proof.authTime / 1_000), amr: grant.proof.amr.split(' ') }),
    ...(grant.roles && { roles: rolesIn(grant.roles) }),
  }
}

/** The claims of a verified token, if they have the shape of an access token; otherwise undefined. */
export function readAccessClaims(claims: unknown): AccessClaims | undefined {
  if (!accessClaims.Check(claims) || claims.iat > Date.now() / 1_000 + CLOCK_SKEW_S) return undefined
  return claims
}

/**
 * The caller that the claims of a verified token name. Undefined if they are not claims of an access token. Tokens of
 * the tutorial endpoints never have the admin role.
 */
export function callerFrom(verified: unknown, accepted: Pick<Grant, 'issuer' | 'audience'>): Caller | undefined {
  const claims = readAccessClaims(verified)
  if (claims === undefined) return undefined
  const { client_id: clientId, scope, jti } = claims
  const isWhole = clientId === CLIENT_ID && scope === undefined
  const scopes = isWhole ? undefined : Object.freeze((scope ?? '').split(' ').filter((word) => word !== ''))
  const bearer = { clientId, scopes, expiresAt: claims.exp * 1_000 }
  if (claims.sub !== clientId) return userFrom(claims, bearer, accepted)
  const isOfSession = claims.sid !== undefined || claims.role !== undefined
  if (clientId === CLIENT_ID || isOfSession) return undefined
  return Object.freeze({ kind: 'client', ...bearer, tokenId: jti })
}

function userFrom(claims: AccessClaims, bearer: Bearer, { issuer, audience }: Pick<Grant, 'issuer' | 'audience'>) {
  const { sid: sessionId, role } = claims
  const userId = Number(claims.sub)
  if (sessionId === undefined || Number.isNaN(userId)) return undefined
  const isCompat = claims.aud === compatAudience(issuer)
  if (isCompat !== (role === undefined) || (isCompat && bearer.scopes !== undefined)) return undefined
  // Until version 0.1, tokens of the tutorial endpoints had the role of their user, and the issuer as audience. They
  // count as tokens of a plain user.
  const isOfThisVersion =
    claims.aud === audience || (claims.aud === clientAudience(issuer) && bearer.scopes !== undefined)
  const isLongLived = claims.exp - claims.iat > LONGEST_LIFE_S
  const caller: UserCaller = {
    kind: 'user',
    ...bearer,
    userId,
    sessionId,
    role: isOfThisVersion && !isLongLived ? (role ?? 'user') : 'user',
    authTime: (claims.auth_time ?? 0) * 1_000,
  }
  return Object.freeze(caller)
}

/** Whether the user logged in recently: RFC 9470's `max_age`. */
export function isRecent({ authTime }: UserCaller): boolean {
  return Date.now() - authTime < RECENT_S * 1_000
}

/** Whether the token is Latchkey's own and may do everything that its user may. */
export function isWhole(caller: Caller): caller is UserCaller {
  return caller.kind === 'user' && caller.scopes === undefined
}
