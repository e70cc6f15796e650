import type { Problem } from '../problems.js'
import { Refusal } from './tutorial.js'

// The error messages of Flask-JWT-Extended and PyJWT for a token that the guard has refused, in the order of their
// checks. This file accepts no tokens.

/**
 * The tutorials' algorithm and Latchkey's. PyJWT refuses a token with another algorithm before it checks the signature.
 */
const ALGORITHMS = new Set<unknown>(['HS256', 'ES256'])
/** The prefix of Latchkey's refresh tokens. */
const REFRESH_TOKEN = /^lkr_/

const say = (status: number, msg: string) => new Refusal(status, { msg })
const MISSING_HEADER = say(401, 'Missing Authorization Header')
const MISSING_TYPE = say(401, "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'")
const BAD_HEADER = say(422, "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'")
const WRONG_SIGNATURE = say(422, 'Signature verification failed')

/** The response for a token whose session was revoked or whose user was deleted. */
export const TOKEN_REVOKED = say(401, 'Token has been revoked')

/** The response for a token that the guard refused; undefined if the guard refused for another reason. */
export function refusedToken({ code, cause }: Problem, header: string | undefined): Refusal | undefined {
  if (code !== 'missing_token' && code !== 'malformed_authorization' && code !== 'invalid_token') return undefined
  const [type, token, ...rest] = (header ?? '').trim().split(/\s+/)
  if (type === '') return MISSING_HEADER
  if (type !== 'Bearer') return MISSING_TYPE
  if (token === undefined || rest.length > 0) return BAD_HEADER
  if (code === 'invalid_token' && cause === undefined) return TOKEN_REVOKED
  return badToken(token, cause)
}

function badToken(token: string, cause: unknown): Refusal {
  if (REFRESH_TOKEN.test(token)) return say(422, 'Only non-refresh tokens are allowed')
  const segments = token.split('.')
  if (segments.length < 3) return say(422, 'Not enough segments')
  const algorithm = algorithmOf(segments[0] ?? '')
  if (algorithm === undefined) return say(422, 'Invalid header padding')
  if (!ALGORITHMS.has(algorithm)) return say(422, 'The specified alg value is not allowed')
  // The guard verifies the signature before the claims, so errors about claims mean that the signature was right.
  const { code = '', message = '' } = (cause ?? {}) as { code?: string; message?: string }
  if (code.endsWith('TOKEN_EXPIRED')) return say(401, 'Token has expired')
  if (code === 'FAST_JWT_INACTIVE') return say(422, 'The token is not yet valid (nbf)')
  const missing = /The (\w+) claim is required/.exec(message)?.[1]
  return missing === undefined ? WRONG_SIGNATURE : say(422, `Missing claim: ${missing}`)
}

/** The `alg` of a token's header, or null without one; undefined if the segment is not a header. */
function algorithmOf(segment: string): unknown {
  try {
    const header: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString())
    return typeof header === 'object' && header !== null && 'alg' in header ? header.alg : null
  } catch {
    return undefined
  }
}
