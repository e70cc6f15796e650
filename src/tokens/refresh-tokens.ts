import { createHmac, timingSafeEqual } from 'node:crypto'

// A refresh token is "lkr_" and base64url of: session id (16 bytes), generation (4), HMAC-SHA-256 of both (32).
// The database holds the generation alone, so a copy of it lets nobody in.
const PREFIX = 'lkr_'
const ID_BYTES = 16
const SIGNED_BYTES = ID_BYTES + 4
const TOKEN_BYTES = SIGNED_BYTES + 32

export interface RefreshClaims {
  sessionId: string
  generation: number
}

/** The refresh token of a session's generation: the same each time it is asked for. */
export function makeRefreshToken({ sessionId, generation }: RefreshClaims, [key]: readonly Buffer[]): string {
  if (key === undefined) throw new Error('There is no key for refresh tokens')
  const bytes = Buffer.alloc(SIGNED_BYTES)
  bytes.write(sessionId.replaceAll('-', ''), 'hex')
  bytes.writeUInt32BE(generation, ID_BYTES)
  return PREFIX + Buffer.concat([bytes, mac(bytes, key)]).toString('base64url')
}

/** Whether a text has the form of a refresh token. */
export function isRefreshToken(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** What an authentic refresh token says, made with any of the keys; undefined for everything else. */
export function readRefreshToken(token: string, keys: readonly Buffer[]): RefreshClaims | undefined {
  if (!isRefreshToken(token)) return undefined
  const text = token.slice(PREFIX.length)
  const bytes = Buffer.from(text, 'base64url')
  // Node reads over what is not base64url, so that many texts would be one token.
  if (bytes.length !== TOKEN_BYTES || bytes.toString('base64url') !== text) return undefined
  const signed = bytes.subarray(0, SIGNED_BYTES)
  const signature = bytes.subarray(SIGNED_BYTES)
  if (!keys.some((key) => timingSafeEqual(mac(signed, key), signature))) return undefined
  const sessionId = signed.toString('hex', 0, ID_BYTES).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { sessionId, generation: signed.readUInt32BE(ID_BYTES) }
}

function mac(bytes: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest()
}
