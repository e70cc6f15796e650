import { createHmac, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt'
import { type Config, THREAD_POOL_SIZE } from './config.js'
import { Problem } from './problems.js'

/** The longest password, in code points. */
export const PASSWORD_MAX_LENGTH = 256
/** How long a log-in may wait for a processor. */
const QUEUE_DEADLINE_MS = 2_000
/** A row that asks for more than this is a failed log-in, not a hung process. */
const HIGHEST_COST = 15
const LOWEST_COST = 4

// passlib's bcrypt_sha256, version 2: bcrypt over the base64 of HMAC-SHA-256 keyed with the salt.
const OWN_FORMAT = /^\$bcrypt-sha256\$v=2,t=2b,r=(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/
const PLAIN_BCRYPT = /^\$2[aby]\$(\d{2})\$[./A-Za-z0-9]{53}$/

export interface Verdict {
  isRight: boolean
  /** The stored hash is of another format or cost than the one in force: hash the password again. */
  isOutdated: boolean
}

/** Hashes and verifies passwords, a few at a time, so that a flood of log-ins cannot take the process. */
export class Passwords {
  readonly #cost: number
  readonly #queue: HashQueue

  constructor({ BCRYPT_COST, HASH_QUEUE, WORKERS }: Config) {
    this.#cost = BCRYPT_COST
    this.#queue = new HashQueue(HASH_QUEUE, WORKERS)
  }

  /** The hash to store. @throws Problem hashing_overloaded */
  hash(password: string): Promise<string> {
    return this.#queue.run(() => hashWithCost(password, this.#cost))
  }

  /**
   * Whether the password is the one of the stored hash. Being wrong takes as long whatever is stored, also when nothing
   * is: by the time it takes, nobody can tell an unknown or an imported user from any other.
   * @throws Problem hashing_overloaded
   */
  verify(password: string, stored: string | undefined): Promise<Verdict> {
    return this.#queue.run(async () => {
      const known = stored === undefined ? undefined : parseHash(stored)
      if (known !== undefined && (await known.verify(password))) {
        return { isRight: true, isOutdated: !known.isOwn || known.cost !== this.#cost }
      }
      await this.#topUp(known?.cost)
      return { isRight: false, isOutdated: false }
    })
  }

  /** Spends what a hash at the cost in force takes, less what was spent: 2^c + 2^c + 2^(c+1) + ... + 2^(n-1) is 2^n. */
  async #topUp(spentCost: number | undefined): Promise<void> {
    if (spentCost === undefined) await spend(this.#cost)
    for (let cost = spentCost ?? this.#cost; cost < this.#cost; cost += 1) await spend(cost)
  }
}

interface StoredHash {
  isOwn: boolean
  cost: number
  verify(password: string): Promise<boolean>
}

/** What a stored hash is; undefined when it is none, or asks for more than a log-in may take. */
function parseHash(stored: string): StoredHash | undefined {
  const [, ownCost, salt, digest] = OWN_FORMAT.exec(stored) ?? []
  const cost = Number(ownCost ?? PLAIN_BCRYPT.exec(stored)?.[1])
  if (!(cost >= LOWEST_COST && cost <= HIGHEST_COST)) return undefined
  if (salt === undefined) return { isOwn: false, cost, verify: (password) => verifyBcrypt(password, stored) }
  const bcrypt = `$2b$${String(cost).padStart(2, '0')}$${salt}${digest}`
  return { isOwn: true, cost, verify: (password) => bcryptVerify(keyedDigest(password, salt), bcrypt) }
}

/** bcrypt as other systems store it. It reads 72 bytes and no more, here as there. */
async function verifyBcrypt(password: string, stored: string): Promise<boolean> {
  const normalised = password.normalize('NFKC')
  if (await bcryptVerify(password, stored)) return true
  return normalised !== password && bcryptVerify(normalised, stored)
}

async function spend(cost: number): Promise<void> {
  await bcryptHash('', cost)
}

async function hashWithCost(password: string, cost: number): Promise<string> {
  const rawSalt = randomBytes(16)
  const salt = bcryptBase64(rawSalt)
  const digest = await bcryptHash(keyedDigest(password, salt), cost, rawSalt)
  return `$bcrypt-sha256$v=2,t=2b,r=${cost}$${salt}$${digest.slice(-31)}`
}

/** Any length becomes 44 characters without NUL; keyed with the salt, it is of no use against another system's hashes. */
function keyedDigest(password: string, salt: string): string {
  return createHmac('sha256', salt).update(password.normalize('NFKC')).digest('base64')
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BCRYPT_BASE64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function bcryptBase64(bytes: Buffer): string {
  return bytes
    .toString('base64')
    .replace(/=+$/, '')
    .replace(/./g, (character) => BCRYPT_BASE64.charAt(BASE64.indexOf(character)))
}

/** Runs a few hashes at once and lets a few more wait, so that the thread pool keeps a thread for files and names. */
class HashQueue {
  readonly #waiting: (() => void)[] = []
  readonly #limit: number
  readonly #slots: number
  #running = 0

  constructor(limit: number, workers: number) {
    this.#limit = limit
    this.#slots = Math.max(1, Math.min(Math.floor(availableParallelism() / workers), THREAD_POOL_SIZE - 1))
  }

  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#slots) this.#running += 1
    else await this.#turn()
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running -= 1
    }
  }

  /** Resolves when a slot is handed over. */
  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#limit) throw new Problem('hashing_overloaded')
    return new Promise((resolve, reject) => {
      const start = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        reject(new Problem('hashing_overloaded'))
      }, QUEUE_DEADLINE_MS)
      this.#waiting.push(start)
    })
  }
}
