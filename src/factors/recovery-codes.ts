import { createHmac, randomBytes } from 'node:crypto'
import { crockfordOf, readCrockford } from '../tokens/crockford.js'

/** How many there are at once. */
export const RECOVERY_CODES = 10
/** 50 bits: at ten tries and then one each quarter of an hour, nobody finds one. */
const LENGTH = 10
const CODE = /^[0-9A-HJKMNP-TV-Z]{10}$/

/** New codes, as people see them: `XXXXX-XXXXX`. */
export function makeRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const code = crockfordOf(randomBytes(LENGTH))
    return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`
  })
}

/** A code as it is hashed, however it was typed; undefined when it is none. */
export function readRecoveryCode(text: string): string | undefined {
  const code = readCrockford(text).replace(/[^0-9A-Z]/g, '')
  return CODE.test(code) ? code : undefined
}

/** What the table keeps of a code that `readRecoveryCode` has read. */
export function recoveryCodeHash(key: Buffer, userId: number, code: string): string {
  return createHmac('sha256', key).update(`${userId}:${code}`).digest('base64url')
}
