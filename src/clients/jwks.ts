import { createPublicKey, type KeyObject } from 'node:crypto'

/** Algorithms for client assertions. No symmetric one: whoever can verify could also sign. */
export const ASSERTION_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'] as const
type Algorithm = (typeof ASSERTION_ALGORITHMS)[number]

const KEYS_MAX = 8
const KID_LONGEST = 128
const RSA_BITS_MIN = 2_048
const RSA_BITS_MAX = 8_192
/** The members of a private or a symmetric key, RFC 7518 section 6. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
/** The algorithms of each kind of key; the first is used if the key names none. */
const ALGORITHMS_OF: Record<string, readonly Algorithm[]> = {
  'EC P-256': ['ES256'],
  'EC P-384': ['ES384'],
  'OKP Ed25519': ['EdDSA'],
  RSA: ['RS256', 'PS256'],
}

/** A public key of a client, with the only algorithm that it may verify. */
export interface AssertionKey {
  kid: string | undefined
  algorithm: Algorithm
  key: KeyObject
}

/** Why a JWK Set (RFC 7517) cannot be registered for a client; undefined if it can. */
export function flawOfJwks({ keys }: { keys: Record<string, unknown>[] }): string | undefined {
  if (keys.length === 0 || keys.length > KEYS_MAX) return `holds 1 to ${KEYS_MAX} keys`
  const kids = keys.map(({ kid }) => kid).filter((kid) => kid !== undefined)
  if (new Set(kids).size < kids.length) return 'has two keys with the same kid'
  for (const [index, jwk] of keys.entries()) {
    const flaw = flawOf(jwk)
    if (flaw !== undefined) return `keys[${index}] ${flaw}`
  }
  return undefined
}

/** The keys of a registered set. */
export function assertionKeys({ keys }: { readonly keys: readonly Record<string, unknown>[] }): AssertionKey[] {
  return keys.map((jwk) => ({
    kid: typeof jwk.kid === 'string' ? jwk.kid : undefined,
    algorithm: algorithmOf(jwk) as Algorithm,
    key: createPublicKey({ key: jwk, format: 'jwk' }),
  }))
}

function flawOf(jwk: Record<string, unknown>): string | undefined {
  const secret = PRIVATE.find((name) => Object.hasOwn(jwk, name))
  if (secret !== undefined) return `is not a public key: it contains \`${secret}\``
  if (algorithmOf(jwk) === undefined) {
    return 'must be EC with P-256 or P-384, RSA or Ed25519, with an `alg` that fits or none'
  }
  const { kid, use } = jwk
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > KID_LONGEST))
    return 'has a kid that is not a short text'
  if (use !== undefined && use !== 'sig') return 'is not for signatures'
  try {
    const bits = createPublicKey({ key: jwk, format: 'jwk' }).asymmetricKeyDetails?.modulusLength ?? RSA_BITS_MIN
    return bits < RSA_BITS_MIN || bits > RSA_BITS_MAX ? `must have ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits` : undefined
  } catch {
    return 'is not a valid public key'
  }
}

function algorithmOf({ kty, crv, alg }: Record<string, unknown>): Algorithm | undefined {
  const algorithms = ALGORITHMS_OF[kty === 'RSA' ? 'RSA' : `${kty} ${crv}`] ?? []
  return alg === undefined ? algorithms[0] : algorithms.find((one) => one === alg)
}
