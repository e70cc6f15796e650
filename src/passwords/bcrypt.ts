import { timingSafeEqual } from 'node:crypto'
import * as bcrypt from '@node-rs/bcrypt'

/** The range of accepted costs: the highest is 2^15 rounds. */
export const BCRYPT_COSTS = { lowest: 4, highest: 15 }
const DIGEST_LENGTH = 31

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BCRYPT_BASE64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Version 1 of the package takes cost and salt as positional arguments, version 2 as an object. */
const hashSync: (text: string, cost: number, salt: Uint8Array) => string =
  'parseOptions' in bcrypt
    ? (text, cost, salt) =>
        (bcrypt.hashSync as unknown as (text: string, options: object) => string)(text, { cost, salt })
    : bcrypt.hashSync

/** The digest part of a bcrypt hash: 31 characters. bcrypt reads only the first 72 bytes of the text. */
export function bcryptDigest(text: string, cost: number, salt: string): string {
  // The variants 2a, 2b and 2y are the same computation.
  return hashSync(text, cost, fromBcryptBase64(salt)).slice(-DIGEST_LENGTH)
}

/**
 * Returns a function that compares a text with the digest; undefined if the cost is out of bounds. Compares only the
 * digest, not the whole hash, because some systems encode the same salt in several ways.
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
