import { createHmac, timingSafeEqual } from 'node:crypto'
import type { DerivedKeys } from './secret.js'

const MAC_BYTES = 32
const ID_BYTES = 16

/** Encodes bytes followed by their HMAC-SHA-256 as base64url. Signs with the first key. */
export function signBytes(bytes: Buffer, [key]: DerivedKeys): string {
  return Buffer.concat([bytes, mac(bytes, key)]).toString('base64url')
}

/** Returns the `length` bytes of a text signed with any of the keys; otherwise undefined. */
export function openSigned(text: string, length: number, keys: readonly Buffer[]): Buffer | undefined {
  const all = bytesIn(text, length + MAC_BYTES)
  if (all === undefined) return undefined
  const [bytes, signature] = [all.subarray(0, length), all.subarray(length)]
  return keys.some((key) => timingSafeEqual(mac(bytes, key), signature)) ? bytes : undefined
}

/**
 * Decodes exactly `length` bytes of canonical base64url; otherwise undefined. Node skips invalid characters, so many
 * texts would otherwise be the same token.
 */
export function bytesIn(text: string, length: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === length && bytes.toString('base64url') === text ? bytes : undefined
}

/** The 16 bytes of a UUID. */
export function bytesOfId(id: string): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex')
}

/** The UUID in the first 16 bytes. */
export function idIn(bytes: Buffer): string {
  return bytes.toString('hex', 0, ID_BYTES).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function mac(bytes: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest()
}
