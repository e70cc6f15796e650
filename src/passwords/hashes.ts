import { argon2idHash } from './argon2id.js'
import { bcryptSha256Hash, readBcryptSha256 } from './bcrypt-sha256.js'
import { bareHash, type ForeignHash, readForeignHash } from './foreign-hashes.js'
import { isInForce, isOwnFormat, type Scheme } from './scheme.js'
import { isTooLongForPassword } from './text.js'
import { spend, timeOf, usualWork, workIn, workOf } from './timing.js'

// Everything here blocks its thread, so the service calls it through threads.ts only.

/** The longest hash of any format; longer text is not parsed. */
const LONGEST_HASH = 1_024
/** The longest time by which the answer to a wrong password is delayed, whatever the dearest hash takes. */
const LONGEST_REST_MS = 5_000

export interface Verdict {
  isRight: boolean
  /** The stored hash is not what the scheme in force would write: hash the password again. */
  isOutdated: boolean
  /** What this hash took, where it is not of the scheme in force; undefined before the speed of this thread is known. */
  cost?: StoredCost
  /** For how long a wrong password still waits for its answer, in milliseconds, so that it takes as long as the dearest. */
  restMs: number
}

/** The work of hashes of one format with the same parameters. */
export interface StoredCost {
  settings: string
  /** In units of the scheme in force: rounds of bcrypt, or KiB times passes of argon2. */
  work: number
}

/** The hash to store. @throws RangeError when the password is longer than any may be */
export function hashPassword(password: string, scheme: Scheme): string {
  if (isTooLongForPassword(password)) throw new RangeError('A password of this length is never hashed')
  const normalised = password.normalize('NFKC')
  return scheme.name === 'argon2id' ? argon2idHash(normalised, scheme) : bcryptSha256Hash(normalised, scheme.cost)
}

/**
 * Whether the password is the one of the stored hash. Being wrong takes as long whatever is stored, also when nothing is: a
 * cheaper hash is topped up to one of the scheme in force, and the time to `dearest`, in the scheme's units, is to be waited.
 */
export function verifyPassword(password: string, stored: string | undefined, scheme: Scheme, dearest = 0): Verdict {
  // A wrong password like any other. An empty one is hashed in its place, for the sake of the time.
  if (isTooLongForPassword(password)) return verifyPassword('', undefined, scheme, dearest)
  const known = stored === undefined ? undefined : readHash(stored)
  const forms = formsOf(password, stored)
  const usual = forms.length * usualWork(scheme)
  let work = 0
  /** The time of tries whose work was not known yet. */
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
  const restMs = Math.max(0, timeOf(forms.length * dearest - Math.max(took, usual), scheme))
  const isOther = known !== undefined && took > 0 && !isInForce(stored ?? '', scheme)
  return {
    isRight: false,
    isOutdated: false,
    restMs: Math.min(restMs, LONGEST_REST_MS),
    ...(isOther && { cost: { settings: known.settings, work: took / forms.length } }),
  }
}

/** A hash that cannot be computed, such as one with parameters that OpenSSL refuses, is nobody's password. */
function isRight(known: ForeignHash, password: string): boolean {
  try {
    return known.verify?.(password) ?? false
  } catch {
    return false
  }
}

/** The format of a stored hash, for a report; undefined when it is no hash that is known. */
export function formatOf(stored: string): { format: string; isTooDear: boolean; bcryptCost?: number } | undefined {
  const hash = readHash(stored)
  if (hash === undefined) return undefined
  const { format, verify, bcryptCost } = hash
  return { format, isTooDear: verify === undefined, ...(bcryptCost !== undefined && { bcryptCost }) }
}

/** What is stored; undefined when it is no hash. */
export function readHash(stored: string): ForeignHash | undefined {
  if (stored.length > LONGEST_HASH) return undefined
  const text = bareHash(stored)
  return readBcryptSha256(text) ?? readForeignHash(text)
}

/**
 * A password as it is tried: ours are of NFKC; others hashed what they were given, and what somebody types at another
 * keyboard may be the other form. As many for everybody, for the sake of the time.
 */
function formsOf(password: string, stored = ''): string[] {
  const normalised = password.normalize('NFKC')
  if (normalised === password) return [password]
  return isOwnFormat(stored) ? [normalised, password] : [password, normalised]
}
