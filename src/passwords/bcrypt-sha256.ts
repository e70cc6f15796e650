import { createHmac, randomBytes } from 'node:crypto'
import { bcryptDigest, bcryptVerifier, toBcryptBase64 } from './bcrypt.js'
import type { ForeignHash } from './foreign-hashes.js'

// passlib's bcrypt_sha256, version 2: bcrypt over the base64 of HMAC-SHA-256 keyed with the salt.

const FORMAT = /^\$bcrypt-sha256\$v=2,t=2b,r=(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/
const NAME = 'bcrypt-sha256'

/** The hash to store, with this bcrypt cost and a random salt. */
export function bcryptSha256Hash(password: string, cost: number): string {
  const salt = toBcryptBase64(randomBytes(16))
  const digest = bcryptDigest(keyedDigest(password, salt), cost, salt)
  return `$${NAME}$v=2,t=2b,r=${cost}$${salt}$${digest}`
}

/** Parses a stored hash of this format. Undefined for another format. */
export function readBcryptSha256(stored: string): ForeignHash | undefined {
  const [, cost, salt = '', digest = ''] = FORMAT.exec(stored) ?? []
  if (cost === undefined) return undefined
  const bcryptCost = Number(cost)
  const verify = bcryptVerifier(bcryptCost, salt, digest)
  return {
    format: NAME,
    settings: `${NAME} ${bcryptCost}`,
    verify: verify && ((password) => verify(keyedDigest(password, salt))),
    bcryptCost,
  }
}

/**
 * Shortens any password to 44 characters of base64: bcrypt would ignore what follows a NUL or the 72nd byte. Keyed with
 * the salt: unsalted digests that leaked from another system could be tried against bcrypt of a plain SHA-256 digest.
 */
function keyedDigest(password: string, salt: string): string {
  return createHmac('sha256', salt).update(password).digest('base64')
}
