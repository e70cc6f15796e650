import { timingSafeEqual } from 'node:crypto'
import bcrypt from 'bcrypt'

/** Of 2^15 rounds at the most. */
export const BCRYPT_COSTS = { lowest: 4, highest: 15 }
const DIGEST_LENGTH = 31

/** The digest that ends a bcrypt hash: 31 characters. It reads 72 bytes of the text and no more. */
export function bcryptDigest(text: string, cost: number, salt: string): string {
  // 2a and 2y name the same computation.
  return bcrypt.hashSync(text, `$2b$${String(cost).padStart(2, '0')}$${salt}`).slice(-DIGEST_LENGTH)
}

/**
 * Whether a text has this digest; undefined where the cost is out of bounds. The digest alone is compared, not the whole
 * hash: some systems write a salt in more than one way.
 */
export function bcryptVerifier(cost: number, salt: string, digest: string): ((text: string) => boolean) | undefined {
  if (!(cost >= BCRYPT_COSTS.lowest && cost <= BCRYPT_COSTS.highest)) return undefined
  return (text) => timingSafeEqual(Buffer.from(bcryptDigest(text, cost, salt)), Buffer.from(digest))
}
