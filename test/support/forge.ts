import { createDecipheriv, createHmac, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { claimsOf, type Person, type Service } from '../helper.js'

/** Signs a token: takes its first two parts, returns the bytes of the signature. */
export type Seal = (input: string) => Buffer
export type Claims = Record<string, unknown>

/**
 * What an attacker may have, and the service's private key, with which a test creates tokens that are wrong in exactly
 * one place.
 */
export interface Forge {
  kid: string
  pem: string
  jwk: string
  privateKey: KeyObject
  seal: Seal
  claims: Claims
  token: string
  refreshToken: string
}

/** A token that differs from a valid one in these claims and header fields; `undefined` leaves a field out. */
export function token(forge: Forge, claims: Claims, header: Claims = {}): string {
  return sealed(forge, encode({ ...forge.claims, ...claims }), header)
}

export function sealed({ kid, seal }: Forge, payload: string, header: Claims = {}): string {
  const input = `${encode({ alg: 'ES256', typ: 'at+jwt', kid, ...header })}.${payload}`
  return `${input}.${seal(input).toString('base64url')}`
}

export function encode(value: Claims | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

export function es256(key: KeyObject, hash = 'sha256'): Seal {
  return (input) => sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
}

export function hmac(hash: string, secret: string): Seal {
  return (input) => createHmac(hash, secret).update(input).digest()
}

/** Decrypts the service's private key, which is in its database, with the service's secret. */
export async function openForge({ app }: Service, person: Person): Promise<Forge> {
  const { db, tables } = app.database
  const [row] = await db.select().from(tables.signingKeys)
  const [key] = app.secret.derive('signing-key-seal')
  if (row === undefined) throw new Error('There is no key')
  const bytes = Buffer.from(row.sealedPrivateKey, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  decipher.setAAD(Buffer.from(row.kid)).setAuthTag(bytes.subarray(12, 28))
  const privateKey = createPrivateKey(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]))
  const [jwk] = app.keys.publicJwks().keys
  return {
    kid: row.kid,
    pem: app.keys.find(row.kid) ?? '',
    jwk: JSON.stringify(jwk),
    privateKey,
    seal: es256(privateKey),
    claims: claimsOf(person.token),
    token: person.token,
    refreshToken: person.login.refresh_token,
  }
}
