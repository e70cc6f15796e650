import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

/** Encrypts a private key (PEM) with the newest sealing key, bound to its kid. */
export function seal(pem: string, kid: string, [key]: readonly Buffer[]): string {
  if (key === undefined) throw new Error('There is no sealing key')
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(kid))
  const sealed = Buffer.concat([cipher.update(pem), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
}

/** Whether the newest of the sealing keys opens the seal. */
export function isOfNewest(text: string, kid: string, keys: readonly Buffer[]): boolean {
  return unseal(text, kid, keys.slice(0, 1)) !== undefined
}

/** The private key as PEM; undefined when none of the sealing keys opens the seal, or the seal is of another kid. */
export function unseal(text: string, kid: string, keys: readonly Buffer[]): string | undefined {
  const bytes = Buffer.from(text, 'base64url')
  const iv = bytes.subarray(0, IV_BYTES)
  const tag = bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)
  const sealed = bytes.subarray(IV_BYTES + TAG_BYTES)
  for (const key of keys) {
    try {
      const options = { authTagLength: TAG_BYTES }
      const decipher = createDecipheriv(CIPHER, key, iv, options).setAAD(Buffer.from(kid)).setAuthTag(tag)
      return Buffer.concat([decipher.update(sealed), decipher.final()]).toString()
    } catch {
      // Sealed with another secret of the list, or with none: try the next.
    }
  }
  return undefined
}
