import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { DerivedKeys } from './secret.js'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * Encrypts a text with the newest key. `name` (a kid or a purpose) is authenticated, so the result cannot be moved to
 * another name.
 */
export function seal(text: string, name: string, [key]: DerivedKeys): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(name))
  const sealed = Buffer.concat([cipher.update(text), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
}

/** Whether the newest key decrypts the text. */
export function isOfNewest(sealed: string, name: string, keys: readonly Buffer[]): boolean {
  return unseal(sealed, name, keys.slice(0, 1)) !== undefined
}

/** Decrypts a text. Undefined if no key decrypts the text, or the text belongs to another name. */
export function unseal(text: string, name: string, keys: readonly Buffer[]): string | undefined {
  const bytes = Buffer.from(text, 'base64url')
  const iv = bytes.subarray(0, IV_BYTES)
  const tag = bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)
  const sealed = bytes.subarray(IV_BYTES + TAG_BYTES)
  for (const key of keys) {
    try {
      const options = { authTagLength: TAG_BYTES }
      const decipher = createDecipheriv(CIPHER, key, iv, options).setAAD(Buffer.from(name)).setAuthTag(tag)
      return Buffer.concat([decipher.update(sealed), decipher.final()]).toString()
    } catch {
      // Encrypted with another key: try the next key.
    }
  }
  return undefined
}
