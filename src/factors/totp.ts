import { createHmac, timingSafeEqual } from 'node:crypto'

// RFC 6238 with SHA-1, six digits and steps of 30 seconds, which every authenticator app supports.

export const STEP_MS = 30_000
export const DIGITS = 6
/** The length that RFC 4226 section 4 recommends: 160 bits. */
export const SECRET_BYTES = 20
/** Codes of the previous and the next step are valid too: clocks differ, and users type slowly. */
const WINDOW = 1
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const BITS_OF_A_CHARACTER = 5

/** The typed digits, also full-width ones and with blanks between them; undefined if they are not a code. */
export function readTotpCode(text: string): string | undefined {
  const code = text.normalize('NFKC').replace(/\s/g, '')
  return /^[0-9]{6}$/.test(code) ? code : undefined
}

/** The code for `step`, the number of steps since 1970. RFC 4226 section 5.3. */
export function totpCode(secret: Buffer, step: number, digits = DIGITS): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(offset) & 0x7fff_ffff) % 10 ** digits).padStart(digits, '0')
}

/** The step after `lastStep` with this code; undefined if no step around `now` has it. */
export function stepOf(secret: Buffer, code: string, { now, lastStep }: { now: number; lastStep: number }) {
  const present = Math.floor(now / STEP_MS)
  let found: number | undefined
  for (let step = present - WINDOW; step <= present + WINDOW; step += 1) {
    const isEqual = timingSafeEqual(Buffer.from(totpCode(secret, step)), Buffer.from(code))
    if (isEqual && step > lastStep) found ??= step
  }
  return found
}

/** The `otpauth:` URI of a secret, also for a QR code. Names the issuer twice, because apps read different places. */
export function totpUri(secret: Buffer, { issuer, account }: { issuer: string; account: string }): string {
  const [by, whom] = [encodeURIComponent(issuer), encodeURIComponent(account)]
  return `otpauth://totp/${by}:${whom}?issuer=${by}&secret=${base32(secret)}&algorithm=SHA1&digits=${DIGITS}&period=${STEP_MS / 1_000}`
}

/** RFC 4648 section 6, without padding. */
export function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(new RegExp(`.{1,${BITS_OF_A_CHARACTER}}`, 'g')) ?? []
  return groups.map((group) => BASE32[Number.parseInt(group.padEnd(BITS_OF_A_CHARACTER, '0'), 2)]).join('')
}
