import { createHmac, randomBytes } from 'node:crypto'
import { hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt'
import type { Config } from './config.js'
import { BCRYPT_COSTS, type ForeignHash, readForeignHash } from './foreign-hashes.js'
import { HashQueue, type Waiting } from './hash-queue.js'

/** The longest password, in code points. */
export const PASSWORD_MAX_LENGTH = 256

// passlib's bcrypt_sha256, version 2: bcrypt over the base64 of HMAC-SHA-256 keyed with the salt.
const OWN_FORMAT = /^\$bcrypt-sha256\$v=2,t=2b,r=(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/
const OWN_NAME = 'bcrypt-sha256'

export interface Verdict {
  isRight: boolean
  /** The stored hash is of another format or cost than the one in force: hash the password again. */
  isOutdated: boolean
}

/** Hashes and verifies passwords, a few at a time, so that a flood of log-ins cannot take the process. */
export class Passwords {
  readonly #cost: number
  readonly #queue: HashQueue
  /** How long a hash at the cost in force takes here, smoothed; 0 until one was made. */
  #hashMs = 0

  constructor({ BCRYPT_COST, HASH_QUEUE, WORKERS }: Config) {
    this.#cost = BCRYPT_COST
    this.#queue = new HashQueue(HASH_QUEUE, WORKERS)
  }

  /** How many hashes run at once. */
  get slots(): number {
    return this.#queue.slots
  }

  /** How many wait for a processor. */
  get waiting(): number {
    return this.#queue.waiting
  }

  /** The hash to store. @throws Problem hashing_overloaded */
  hash(password: string, waiting?: Waiting): Promise<string> {
    return this.#queue.run(() => hashWithCost(password, this.#cost), waiting)
  }

  /**
   * Whether the password is the one of the stored hash. Being wrong takes as long whatever is stored, also when nothing
   * is: by the time it takes, nobody can tell an unknown or an imported user from any other.
   * @throws Problem hashing_overloaded
   */
  verify(password: string, stored: string | undefined, waiting?: Waiting): Promise<Verdict> {
    return this.#queue.run(async () => {
      const known = stored === undefined ? undefined : readHash(stored)
      const forms = formsOf(password, known)
      let work = 0
      for (const [index, form] of forms.entries()) {
        const startedAt = performance.now()
        if (known?.verify && (await known.verify(form))) {
          const isOutdated = known.format !== OWN_NAME || known.bcryptCost !== this.#cost || index > 0
          return { isRight: true, isOutdated }
        }
        work += this.#workOf(known, performance.now() - startedAt)
      }
      await this.#spend(forms.length * 2 ** this.#cost - work)
      return { isRight: false, isOutdated: false }
    }, waiting)
  }

  /** What a try has cost, in rounds of bcrypt: as the hash says itself, or by the time it took. */
  #workOf(known: ForeignHash | undefined, elapsedMs: number): number {
    if (known?.verify === undefined) return 0
    if (known.bcryptCost !== undefined) return 2 ** known.bcryptCost
    return this.#hashMs === 0 ? 0 : (elapsedMs / this.#hashMs) * 2 ** this.#cost
  }

  /** Spends so many rounds of bcrypt, as hashes at the cost in force and below: 2^c + 2^c + 2^(c+1) + ... + 2^(n-1) is 2^n. */
  async #spend(rounds: number): Promise<void> {
    let left = rounds
    for (let cost = this.#cost; cost >= BCRYPT_COSTS.lowest; ) {
      if (left < 2 ** cost) {
        cost -= 1
        continue
      }
      const startedAt = performance.now()
      await bcryptHash('', cost)
      left -= 2 ** cost
      if (cost === this.#cost) this.#learn(performance.now() - startedAt)
    }
  }

  #learn(elapsedMs: number): void {
    this.#hashMs = this.#hashMs === 0 ? elapsedMs : 0.8 * this.#hashMs + 0.2 * elapsedMs
  }
}

/** What is stored; undefined when it is no hash. Ours too: passlib writes it as well. */
function readHash(stored: string): ForeignHash | undefined {
  const [, ownCost, salt = '', digest] = OWN_FORMAT.exec(stored) ?? []
  if (ownCost === undefined) return readForeignHash(stored)
  const bcryptCost = Number(ownCost)
  const isAllowed = bcryptCost >= BCRYPT_COSTS.lowest && bcryptCost <= BCRYPT_COSTS.highest
  const bcrypt = `$2b$${ownCost.padStart(2, '0')}$${salt}${digest}`
  const verify = (password: string) => bcryptVerify(keyedDigest(password, salt), bcrypt)
  return { format: OWN_NAME, verify: isAllowed ? verify : undefined, bcryptCost }
}

/** The format of a stored hash, for a report; undefined when it is no hash that is known. */
export function formatOf(stored: string): { format: string; isTooDear: boolean } | undefined {
  const hash = readHash(stored)
  return hash && { format: hash.format, isTooDear: hash.verify === undefined }
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

async function hashWithCost(password: string, cost: number): Promise<string> {
  const rawSalt = randomBytes(16)
  const salt = bcryptBase64(rawSalt)
  const digest = await bcryptHash(keyedDigest(password.normalize('NFKC'), salt), cost, rawSalt)
  return `$bcrypt-sha256$v=2,t=2b,r=${cost}$${salt}$${digest.slice(-31)}`
}

/** Any length becomes 44 characters without NUL; keyed with the salt, it is of no use against another system's hashes. */
function keyedDigest(password: string, salt: string): string {
  return createHmac('sha256', salt).update(password).digest('base64')
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BCRYPT_BASE64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function bcryptBase64(bytes: Buffer): string {
  return bytes
    .toString('base64')
    .replace(/=+$/, '')
    .replace(/./g, (character) => BCRYPT_BASE64.charAt(BASE64.indexOf(character)))
}
