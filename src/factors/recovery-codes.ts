import { createHmac, randomBytes } from 'node:crypto'

/** How many there are at once. */
export const RECOVERY_CODES = 10
/** 50 bits: at ten tries and then one each quarter of an hour, nobody finds one. */
const LENGTH = 10
/** Crockford's base32: no letter looks like a digit. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CODE = /^[0-9A-HJKMNP-TV-Z]{10}$/

/** New codes, as people see them: `XXXXX-XXXXX`. */
export function makeRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const code = [...randomBytes(LENGTH)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('')
    return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`
  })
}

/** A code as it is hashed, however it was typed; undefined when it is none. */
export function readRecoveryCode(text: string): string | undefined {
  const letters = text
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
  const code = letters.replaceAll('O', '0').replace(/[IL]/g, '1')
  return CODE.test(code) ? code : undefined
}

/** What the table keeps of a code that `readRecoveryCode` has read. */
export function recoveryCodeHash(key: Buffer, userId: number, code: string): string {
  return createHmac('sha256', key).update(`${userId}:${code}`).digest('base64url')
}
