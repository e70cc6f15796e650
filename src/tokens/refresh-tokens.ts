import type { DerivedKeys } from './secret.js'
import { bytesOfId, idIn, openSigned, signBytes } from './signed-bytes.js'

// A refresh token is "lkr_" and base64url of: session id (16 bytes), generation (4), HMAC-SHA-256 of both (32). The
// database holds only the generation, so a stolen copy yields no refresh token.
const PREFIX = 'lkr_'
const ID_BYTES = 16
const SIGNED_BYTES = ID_BYTES + 4

export interface RefreshClaims {
  sessionId: string
  generation: number
}

/** Makes the refresh token for a generation of a session. Deterministic, so a repeated refresh gets the same token. */
export function makeRefreshToken({ sessionId, generation }: RefreshClaims, keys: DerivedKeys): string {
  const bytes = Buffer.alloc(SIGNED_BYTES)
  bytesOfId(sessionId).copy(bytes)
  bytes.writeUInt32BE(generation, ID_BYTES)
  return PREFIX + signBytes(bytes, keys)
}

/** Whether a text has the prefix of a refresh token. */
export function isRefreshToken(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** The claims of an authentic refresh token, signed with any of the keys; otherwise undefined. */
export function readRefreshToken(token: string, keys: readonly Buffer[]): RefreshClaims | undefined {
  if (!isRefreshToken(token)) return undefined
  const bytes = openSigned(token.slice(PREFIX.length), SIGNED_BYTES, keys)
  return bytes && { sessionId: idIn(bytes), generation: bytes.readUInt32BE(ID_BYTES) }
}
