import { randomUUID } from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { compatAudience } from '../config/public-url.js'
import { rolesIn } from './roles.js'

/** The one client there is: the service's own. RFC 9068 asks every access token to name one. */
export const CLIENT_ID = 'latchkey'
/** How far apart the clocks of two processes may be. */
export const CLOCK_SKEW_S = 30

/** No access token of v1 lives longer, in seconds: the upper bound of ACCESS_TOKEN_TTL. */
const LONGEST_LIFE_S = 3_600
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
  sub: Type.String({ pattern: '^[1-9][0-9]{0,15}$' }),
  client_id: Type.String(),
  sid: Type.String({ minLength: 1 }),
  jti: Type.String({ minLength: 1 }),
  iat: Type.Integer({ minimum: 0 }),
  exp: Type.Integer({ minimum: 0, maximum: LATEST_S }),
  role: Type.Optional(Role),
  roles: Type.Optional(Type.Array(Type.String())),
  auth_time: Type.Optional(Type.Integer({ minimum: 0, maximum: LATEST_S })),
  amr: Type.Optional(Type.Array(Type.String())),
})
const accessClaims = TypeCompiler.Compile(AccessClaims)

/** Whoever sent a request: what a handler may know of the token. Frozen, because it is kept from request to request. */
export interface Caller {
  readonly userId: number
  readonly sessionId: string
  readonly role: Role
  /** When the user last proved who they are, in milliseconds since 1970; 0 where the token does not say. */
  readonly authTime: number
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

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
  lifetimeMs: number
}

/** The claims of a new access token. */
export function claimsFor(grant: Grant): Static<typeof AccessClaims> {
  const issuedAt = Math.floor(Date.now() / 1_000)
  return {
    iss: grant.issuer,
    aud: grant.audience,
    sub: String(grant.userId),
    client_id: CLIENT_ID,
    sid: grant.sessionId,
    jti: randomUUID(),
    iat: issuedAt,
    exp: issuedAt + Math.floor(grant.lifetimeMs / 1_000),
    ...(grant.role && { role: grant.role }),
    ...(grant.proof && { auth_time: Math.floor(grant.proof.authTime / 1_000), amr: grant.proof.amr.split(' ') }),
    ...(grant.roles && { roles: rolesIn(grant.roles) }),
  }
}

/**
 * The caller that these claims of a verified token name; undefined when they are not those of an access token. A token of the
 * tutorials' addresses lets nobody act as an admin.
 */
export function callerFrom(claims: unknown, { issuer, audience }: Pick<Grant, 'issuer' | 'audience'>) {
  if (!accessClaims.Check(claims)) return undefined
  if (claims.iat > Date.now() / 1_000 + CLOCK_SKEW_S) return undefined
  const isCompat = claims.aud === compatAudience(issuer)
  if (isCompat !== (claims.role === undefined)) return undefined
  // Up to version 0.1 the tutorials' tokens had the role of their user, and the issuer as their audience.
  const isOfOlderVersion = claims.aud !== audience || claims.exp - claims.iat > LONGEST_LIFE_S
  const caller: Caller = {
    userId: Number(claims.sub),
    sessionId: claims.sid,
    role: isOfOlderVersion ? 'user' : (claims.role ?? 'user'),
    authTime: (claims.auth_time ?? 0) * 1_000,
    expiresAt: claims.exp * 1_000,
  }
  return Object.freeze(caller)
}
