import { timingSafeEqual } from 'node:crypto'
import * as bcrypt from '@node-rs/bcrypt'

/** Of 2^15 rounds at the most. */
export const BCRYPT_COSTS = { lowest: 4, highest: 15 }
const DIGEST_LENGTH = 31

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BCRYPT_BASE64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Version 1 of the package takes cost and salt by position, version 2 in an object. */
const hashSync: (text: string, cost: number, salt: Uint8Array) => string =
  'parseOptions' in bcrypt
    ? (text, cost, salt) =>
        (bcrypt.hashSync as unknown as (text: string, options: object) => string)(text, { cost, salt })
    : bcrypt.hashSync

/** The digest that ends a bcrypt hash: 31 characters. It reads 72 bytes of the text and no more. */
export function bcryptDigest(text: string, cost: number, salt: string): string {
  // 2a and 2y name the same computation.
  return hashSync(text, cost, fromBcryptBase64(salt)).slice(-DIGEST_LENGTH)
}

/**
 * Whether a text has this digest; undefined where the cost is out of bounds. The digest alone is compared, not the whole
 * hash: some systems write a salt in more than one way.
 */
export function bcryptVerifier(cost: number, salt: string, digest: string): ((text: string) => boolean) | undefined {
  if (!(cost >= BCRYPT_COSTS.lowest && cost <= BCRYPT_COSTS.highest)) return undefined
  return (text) => timingSafeEqual(Buffer.from(bcryptDigest(text, cost, salt)), Buffer.from(digest))
}

/** Bytes in bcrypt's own base64, without padding. */
export function toBcryptBase64(bytes: Buffer): string {
  return translate(bytes.toString('base64').replace(/=+$/, ''), BASE64, BCRYPT_BASE64)
}

function fromBcryptBase64(text: string): Buffer {
  return Buffer.from(translate(text, BCRYPT_BASE64, BASE64), 'base64')
}

function translate(text: string, from: string, to: string): string {
  return text.replace(/./g, (character) => to.charAt(from.indexOf(character)))
}
