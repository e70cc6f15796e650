import { randomUUID } from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { clientAudience, compatAudience } from '../config/public-url.js'
import { rolesIn } from './roles.js'

/** The service's own client, whose tokens are not limited by a scope. RFC 9068 requires a client_id in every access token. */
export const CLIENT_ID = 'latchkey'
/** The tolerated difference between the clocks of two processes. */
export const CLOCK_SKEW_S = 30

/** How long a log-in is recent enough to change credentials, in seconds. */
export const RECENT_S = 300

/** No access token of v1 lives longer, in seconds: the upper bound of ACCESS_TOKEN_TTL. */
const LONGEST_LIFE_S = 3_600
/** A user's id, or the id of a client, which begins with a letter: one is never taken for the other (RFC 9700 section 4.15). */
const USER_ID = '[1-9][0-9]{0,15}'
export const CLIENT_ID_PATTERN = '[A-Za-z][A-Za-z0-9_-]{2,127}'
/** The last time, in seconds since 1970, whose milliseconds JavaScript counts exactly. */
const LATEST_S = Number.MAX_SAFE_INTEGER / 1_000

const Role = Type.Union([Type.Literal('user'), Type.Literal('admin')])
export type Role = Static<typeof Role>

/**
 * The claims of an access token, RFC 9068 section 2.2, with the session and the role of its user. The tokens of the tutorials'
 * addresses have no role.
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
  /** The scope of the token; undefined for a token of Latchkey's own client, which has no limit. */
  readonly scopes: readonly string[] | undefined
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

/** A user, by a session of their own. */
export interface UserCaller extends Bearer {
  readonly kind: 'user'
  readonly userId: number
  readonly sessionId: string
  readonly role: Role
  /** When the user last proved who they are, in milliseconds since 1970; 0 where the token does not say. */
  readonly authTime: number
  /** The API key, in place of a session. */
  readonly keyId?: string
}

/** A client that acts for itself, with a token that belongs to no session. */
export interface ClientCaller extends Bearer {
  readonly kind: 'client'
  /** The token's `jti`. */
  readonly tokenId: string
}

/** The sender of a request, as handlers see it. Frozen, because the cache shares it between requests. */
export type Caller = UserCaller | ClientCaller

export interface Grant {
  issuer: string
  audience: string
  userId: number
  sessionId: string
  role?: Role
  /** Words with a space between them, as in the table. */
  roles?: string
  /** How and when (in milliseconds since 1970) the user proved who they are: words of RFC 8176 with a space between them. */
  proof?: { amr: string; authTime: number }
  /** Another client than Latchkey's own, and the scope that its token has. */
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

/** The claims of a verified token, if they are those of an access token; else undefined. */
export function readAccessClaims(claims: unknown): AccessClaims | undefined {
  if (!accessClaims.Check(claims) || claims.iat > Date.now() / 1_000 + CLOCK_SKEW_S) return undefined
  return claims
}

/**
 * The caller that these claims of a verified token name; undefined when they are not those of an access token. A token of the
 * tutorials' addresses lets nobody act as an admin.
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
  // Up to version 0.1 the tutorials' tokens had the role of their user, and the issuer as their audience.
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

/** Whether a token belongs to Latchkey's own client and may do everything its user may. */
export function isWhole(caller: Caller): caller is UserCaller {
  return caller.kind === 'user' && caller.scopes === undefined
}
