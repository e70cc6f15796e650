import { createHmac, randomBytes } from 'node:crypto'
import { crockfordOf, readCrockford } from '../tokens/crockford.js'

/** The number of codes in a set. */
const RECOVERY_CODES = 10
/** 50 bits: too many to guess at ten tries and then one each quarter of an hour. */
const LENGTH = 10
const CODE = /^[0-9A-HJKMNP-TV-Z]{10}$/

/** New codes, as shown to users: `XXXXX-XXXXX`. */
export function makeRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const code = crockfordOf(randomBytes(LENGTH))
    return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`
  })
}

/** The canonical form of a typed code, for `recoveryCodeHash`; undefined if the text is not a code. */
export function readRecoveryCode(text: string): string | undefined {
  const code = readCrockford(text).replace(/[^0-9A-Z]/g, '')
  return CODE.test(code) ? code : undefined
}

/** The stored hash of a code in canonical form. */
export function recoveryCodeHash(key: Buffer, userId: number, code: string): string {
  return createHmac('sha256', key).update(`${userId}:${code}`).digest('base64url')
}
