import { argon2idHash } from './argon2id.js'
import { bcryptSha256Hash, readBcryptSha256 } from './bcrypt-sha256.js'
import { bareHash, type ForeignHash, readForeignHash } from './foreign-hashes.js'
import { isInForce, isOwnFormat, type Scheme } from './scheme.js'
import { isTooLongForPassword } from './text.js'
import { spend, timeOf, usualWork, workIn, workOf } from './timing.js'

// All functions here block the thread. The service calls them only through threads.ts.

/** The longest accepted hash of any format. Longer text is not parsed. */
const LONGEST_HASH = 1_024
/** The upper limit for delaying the response to a wrong password, whatever the most expensive stored hash costs. */
const LONGEST_REST_MS = 5_000

export interface Verdict {
  isRight: boolean
  /** Whether the stored hash is not of the current scheme: hash the password again. */
  isOutdated: boolean
  /** The cost of the hash, if not of the current scheme. Undefined before the speed of this thread is known. */
  cost?: StoredCost
  /**
   * How long to delay the response to a wrong password, in milliseconds, so that it takes as long as the most expensive
   * hash.
   */
  restMs: number
}

/** The work of hashes of one format with the same parameters. */
export interface StoredCost {
  settings: string
  /** In units of the current scheme: rounds of bcrypt, or KiB times passes of argon2. */
  work: number
}

/** The hash to store. @throws RangeError when the password exceeds the longest password */
export function hashPassword(password: string, scheme: Scheme): string {
  if (isTooLongForPassword(password)) throw new RangeError('A password of this length is never hashed')
  const normalised = password.normalize('NFKC')
  return scheme.name === 'argon2id' ? argon2idHash(normalised, scheme) : bcryptSha256Hash(normalised, scheme.cost)
}

/**
 * Whether the password matches the stored hash. A wrong password takes the same time for every account, even without a
 * stored hash: dummy hashes fill up to a hash of the current scheme, and `restMs` is the remaining delay up to
 * `dearest` (in units of the scheme).
 */
export function verifyPassword(password: string, stored: string | undefined, scheme: Scheme, highestWork = 0): Verdict {
  // Treats an overlong password as wrong. Hashes an empty password instead, to take the same time.
  if (isTooLongForPassword(password)) return verifyPassword('', undefined, scheme, highestWork)
  const known = stored === undefined ? undefined : readHash(stored)
  const forms = formsOf(password, stored)
  const usual = forms.length * usualWork(scheme)
  let work = 0
  /** The time of verifications whose work is not known yet. */
  let unknownMs = 0
  if (stored !== undefined && known !== undefined) {
    for (const [index, form] of forms.entries()) {
      const startedAt = performance.now()
      if (isRight(known, form)) {
        return { isRight: true, isOutdated: index > 0 || !isInForce(stored, scheme), restMs: 0 }
      }
      const elapsedMs = performance.now() - startedAt
      const done = workOf(known, elapsedMs, scheme)
      if (done === undefined) unknownMs += elapsedMs
      else work += done
    }
  }
  spend(usual - work, scheme)
  const took = work + (workIn(unknownMs, scheme) ?? 0)
  const restMs = Math.max(0, timeOf(forms.length * highestWork - Math.max(took, usual), scheme))
  const isOther = known !== undefined && took > 0 && !isInForce(stored ?? '', scheme)
  return {
    isRight: false,
    isOutdated: false,
    restMs: Math.min(restMs, LONGEST_REST_MS),
    ...(isOther && { cost: { settings: known.settings, work: took / forms.length } }),
  }
}

/** A hash that cannot be computed, such as with parameters that OpenSSL refuses, matches no password. */
function isRight(known: ForeignHash, password: string): boolean {
  try {
    return known.verify?.(password) ?? false
  } catch {
    return false
  }
}

/** The format of a stored hash, for a report. Undefined if the format is unknown. */
export function formatOf(stored: string): { format: string; isTooExpensive: boolean; bcryptCost?: number } | undefined {
  const hash = readHash(stored)
  if (hash === undefined) return undefined
  const { format, verify, bcryptCost } = hash
  return { format, isTooExpensive: verify === undefined, ...(bcryptCost !== undefined && { bcryptCost }) }
}

/** Parses a stored hash. Undefined if the format is unknown. */
export function readHash(stored: string): ForeignHash | undefined {
  if (stored.length > LONGEST_HASH) return undefined
  const text = bareHash(stored)
  return readBcryptSha256(text) ?? readForeignHash(text)
}

/**
 * The spellings to try: Latchkey hashes NFKC; other systems hashed the raw input, and another keyboard may produce the
 * other form. The number of spellings does not depend on the account, so timing reveals nothing.
 */
function formsOf(password: string, stored = ''): string[] {
  const normalised = password.normalize('NFKC')
  if (normalised === password) return [password]
  return isOwnFormat(stored) ? [normalised, password] : [password, normalised]
}
