import { timingSafeEqual } from 'node:crypto'
import bcrypt from 'bcrypt'

const DIGEST_LENGTH = 31

/** The digest that ends a bcrypt hash: 31 characters. It reads 72 bytes of the text and no more. */
export function bcryptDigest(text: string, cost: number, salt: string): string {
  // 2a and 2y name the same computation.
  return bcrypt.hashSync(text, `$2b$${String(cost).padStart(2, '0')}$${salt}`).slice(-DIGEST_LENGTH)
}

/** Whether the text has this digest. Not its whole hash: some systems write a salt in more than one way. */
export function hasBcryptDigest(text: string, cost: number, salt: string, digest: string): boolean {
  return timingSafeEqual(Buffer.from(bcryptDigest(text, cost, salt)), Buffer.from(digest))
}
