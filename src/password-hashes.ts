import { createHmac, randomBytes } from 'node:crypto'
import { BCRYPT_COSTS, bcryptDigest, bcryptVerifier, toBcryptBase64 } from './bcrypt.js'
import { bareHash, type ForeignHash, readForeignHash } from './foreign-hashes.js'
import { isTooLongForPassword } from './password-text.js'

// All of this keeps its thread busy for as long as it takes: the service calls it by hash-threads.ts alone.

// passlib's bcrypt_sha256, version 2: bcrypt over the base64 of HMAC-SHA-256 keyed with the salt.
const OWN_FORMAT = /^\$bcrypt-sha256\$v=2,t=2b,r=(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/
const OWN_NAME = 'bcrypt-sha256'
/** No format is longer; more is not searched for one. */
const LONGEST_HASH = 1_024

export interface Verdict {
  isRight: boolean
  /** The stored hash is of another format or cost than the one in force: hash the password again. */
  isOutdated: boolean
  /** What this hash took, where it is of another format; undefined before the speed of this thread is known. */
  cost?: StoredCost
  /** For how long a wrong password still waits for its answer, in milliseconds, so that it takes as long as the dearest. */
  restMs: number
}

/** How dear hashes of one format with the same parameters are. */
export interface StoredCost {
  settings: string
  /** As many rounds of bcrypt take as long. */
  rounds: number
}

/** The hash to store, at this cost of bcrypt. @throws RangeError when the password is longer than any may be */
export function hashPassword(password: string, cost: number): string {
  if (isTooLongForPassword(password)) throw new RangeError('A password of this length is never hashed')
  const salt = toBcryptBase64(randomBytes(16))
  const digest = bcryptDigest(keyedDigest(password.normalize('NFKC'), salt), cost, salt)
  return `$bcrypt-sha256$v=2,t=2b,r=${cost}$${salt}$${digest}`
}

/**
 * Whether the password is the one of the stored hash. Being wrong takes as long whatever is stored, also when nothing is: a
 * cheaper hash is topped up to the cost in force, and the time to `dearest`, in rounds of bcrypt, is to be waited.
 */
export function verifyPassword(password: string, stored: string | undefined, cost: number, dearest = 0): Verdict {
  // A wrong password like any other. An empty one is hashed in its place, for the sake of the time.
  if (isTooLongForPassword(password)) return verifyPassword('', undefined, cost, dearest)
  const known = stored === undefined ? undefined : readHash(stored)
  const forms = formsOf(password, known)
  let work = 0
  for (const [index, form] of forms.entries()) {
    const startedAt = performance.now()
    if (known !== undefined && isRight(known, form)) {
      const isOutdated = known.format !== OWN_NAME || known.bcryptCost !== cost || index > 0
      return { isRight: true, isOutdated, restMs: 0 }
    }
    work += workOf(known, performance.now() - startedAt)
  }
  const usual = forms.length * 2 ** cost
  spend(usual - work)
  const rest = (forms.length * dearest - Math.max(work, usual)) * roundMs
  return {
    isRight: false,
    isOutdated: false,
    restMs: Math.min(Math.max(rest, 0), LONGEST_REST_MS),
    ...(known &&
      known.format !== OWN_NAME &&
      work > 0 && {
        cost: { settings: known.settings, rounds: work / forms.length },
      }),
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

/** How long a round of bcrypt takes in this thread, in milliseconds, smoothed; 0 until one was measured. */
let roundMs = 0
const NOBODYS_SALT = '.'.repeat(22)
/** However dear a hash is, a wrong password waits no longer for its answer. */
const LONGEST_REST_MS = 5_000
/** Cheaper hashes are over too soon to be measured. */
const MEASURED_FROM_COST = 8

/** What a try has cost, in rounds of bcrypt: as the hash says itself, or by the time it took. */
function workOf(known: ForeignHash | undefined, elapsedMs: number): number {
  if (known?.verify === undefined) return 0
  if (known.bcryptCost !== undefined) {
    if (known.bcryptCost >= MEASURED_FROM_COST) learn(elapsedMs / 2 ** known.bcryptCost)
    return 2 ** known.bcryptCost
  }
  return roundMs === 0 ? 0 : elapsedMs / roundMs
}

/** Spends so many rounds of bcrypt, as hashes at falling costs. */
function spend(rounds: number): void {
  let left = rounds
  for (let cost = BCRYPT_COSTS.highest; cost >= BCRYPT_COSTS.lowest; ) {
    if (left < 2 ** cost) {
      cost -= 1
      continue
    }
    const startedAt = performance.now()
    bcryptDigest('', cost, NOBODYS_SALT)
    left -= 2 ** cost
    if (cost >= MEASURED_FROM_COST) learn((performance.now() - startedAt) / 2 ** cost)
  }
}

function learn(measuredMs: number): void {
  roundMs = roundMs === 0 ? measuredMs : 0.8 * roundMs + 0.2 * measuredMs
}

/** What is stored; undefined when it is no hash. Ours too: passlib writes it as well. */
function readHash(stored: string): ForeignHash | undefined {
  if (stored.length > LONGEST_HASH) return undefined
  const text = bareHash(stored)
  const [, ownCost, salt = '', digest = ''] = OWN_FORMAT.exec(text) ?? []
  if (ownCost === undefined) return readForeignHash(text)
  const bcryptCost = Number(ownCost)
  const verify = bcryptVerifier(bcryptCost, salt, digest)
  return {
    format: OWN_NAME,
    settings: OWN_NAME,
    verify: verify && ((password) => verify(keyedDigest(password, salt))),
    bcryptCost,
  }
}

/**
 * A password as it is tried: ours are of NFKC; others hashed what they were given, and what somebody types at another
 * keyboard may be the other form. As many for everybody, for the sake of the time.
 */
function formsOf(password: string, hash: ForeignHash | undefined): string[] {
  const normalised = password.normalize('NFKC')
  if (normalised === password) return [password]
  return hash?.format === OWN_NAME ? [normalised, password] : [password, normalised]
}

/** Any length becomes 44 characters without NUL; keyed with the salt, it is of no use against another system's hashes. */
function keyedDigest(password: string, salt: string): string {
  return createHmac('sha256', salt).update(password).digest('base64')
}
