import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Tables } from '../database/database.js'
import { crockfordOf, readCrockford } from '../tokens/crockford.js'
import type { DerivedKeys } from '../tokens/secret.js'
import { bytesIn } from '../tokens/signed-bytes.js'

// A one-time token is "lkt_" and base64url of: id of its row (16 bytes), HMAC-SHA-256 of the row (32). Its code is 40
// bits of another HMAC. Both are derived from the row and the secret, so that each attempt sends the same mail.
const PREFIX = 'lkt_'
const ID_BYTES = 16
const TOKEN_BYTES = ID_BYTES + 32
const CODE_LENGTH = 8

export type TokenRow = Tables['oneTimeTokens']['$inferSelect']
export type TokenPurpose = TokenRow['purpose']

/** The signed columns: a row that is copied to another id, account or address has another MAC. */
type Signed = Pick<TokenRow, 'id' | 'purpose' | 'userId' | 'target' | 'expiresAt'>

/** The token of a row. */
export function tokenOf(row: Signed, [key]: DerivedKeys): string {
  return PREFIX + Buffer.concat([Buffer.from(row.id, 'base64url'), mac(row, 'token', key)]).toString('base64url')
}

/** The code of a row, as users type it: `7K3M-Q9TX`. */
export function codeOf(row: Signed, [key]: DerivedKeys): string {
  return rawCode(row, key).replace(/^(.{4})/, '$1-')
}

/** The id of the row of a token; undefined if the text is not a token. */
export function idOf(token: string): string | undefined {
  return bytesOf(token)?.toString('base64url', 0, ID_BYTES)
}

/** Whether the token is that of this row, by any of the keys. */
export function isTokenOf(row: Signed, token: string, keys: readonly Buffer[]): boolean {
  const bytes = bytesOf(token)
  if (bytes === undefined || idOf(token) !== row.id) return false
  return keys.some((key) => timingSafeEqual(mac(row, 'token', key), bytes.subarray(ID_BYTES)))
}

/** Whether the typed text is the code of this row. Case, blanks and hyphens do not matter. */
export function isCodeOf(row: Signed, typed: string, keys: readonly Buffer[]): boolean {
  const bytes = Buffer.from(readCrockford(typed).replace(/[\s\p{Pd}]/gu, ''))
  if (bytes.length !== CODE_LENGTH) return false
  return keys.some((key) => timingSafeEqual(Buffer.from(rawCode(row, key)), bytes))
}

function bytesOf(token: string): Buffer | undefined {
  return token.startsWith(PREFIX) ? bytesIn(token.slice(PREFIX.length), TOKEN_BYTES) : undefined
}

function rawCode(row: Signed, key: Buffer): string {
  return crockfordOf(mac(row, 'code', key).subarray(0, CODE_LENGTH))
}

function mac({ id, purpose, userId, target, expiresAt }: Signed, use: 'token' | 'code', key: Buffer): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify([use, purpose, id, userId, target, expiresAt]))
    .digest()
}
