import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

// An API key is "lkk_" and base64url of: 32 random bytes, the first 16 of their HMAC-SHA-256.
const PREFIX = 'lkk_'
const RANDOM_BYTES = 32
const CHECK_BYTES = 16
const PATTERN = /^lkk_[\w-]{64}$/

export function makeApiKey(checkKey: Buffer): string {
  const random = randomBytes(RANDOM_BYTES)
  return PREFIX + Buffer.concat([random, check(random, checkKey)]).toString('base64url')
}

/** Whether this service made the key: guessed or mistyped keys cost no query. */
export function isAuthenticKey(text: string, checkKey: Buffer): boolean {
  if (!PATTERN.test(text)) return false
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url')
  return timingSafeEqual(check(bytes.subarray(0, RANDOM_BYTES), checkKey), bytes.subarray(RANDOM_BYTES))
}

/** Whether a text has the form of a key. */
export function isApiKey(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** The stored hash of a key. */
export function hashOfApiKey(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

function check(random: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(random).digest().subarray(0, CHECK_BYTES)
}
