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
  readonly #dummy: string

  private constructor(cost: number, queue: HashQueue, dummy: string) {
    this.#cost = cost
    this.#queue = queue
    this.#dummy = dummy
  }

  /** Makes the hash that unknown users are compared with, at the cost in force. */
  static async open({ BCRYPT_COST, HASH_QUEUE }: Config): Promise<Passwords> {
    const dummy = await hashWithCost(randomBytes(16).toString('base64'), BCRYPT_COST)
    return new Passwords(BCRYPT_COST, new HashQueue(HASH_QUEUE), dummy)
  }

  /** The hash to store. @throws Problem hashing_overloaded */
  hash(password: string): Promise<string> {
    return this.#queue.run(() => hashWithCost(password, this.#cost))
  }

  /**
   * Whether the password is the one of the stored hash. Without a stored hash (an unknown user), and after another
   * system's hash has failed, our own dummy is verified too: by the time it takes, nobody can tell them apart.
   * @throws Problem hashing_overloaded
   */
  verify(password: string, stored: string | undefined): Promise<Verdict> {
    return this.#queue.run(async () => {
      const own = OWN_FORMAT.exec(stored ?? this.#dummy)
      if (stored !== undefined && own === null) return this.#verifyForeign(password, stored)
      const isRight = own !== null && (await verifyOwn(password, own))
      return { isRight: isRight && stored !== undefined, isOutdated: Number(own?.[1]) !== this.#cost }
    })
  }

  async #verifyForeign(password: string, stored: string): Promise<Verdict> {
    const isRight = await verifyBcrypt(password, stored)
    if (!isRight) await verifyOwn(password, OWN_FORMAT.exec(this.#dummy))
    return { isRight, isOutdated: true }
  }
}

async function hashWithCost(password: string, cost: number): Promise<string> {
  const rawSalt = randomBytes(16)
  const salt = bcryptBase64(rawSalt)
  const digest = await bcryptHash(keyedDigest(password, salt), cost, rawSalt)
  return `$bcrypt-sha256$v=2,t=2b,r=${cost}$${salt}$${digest.slice(-31)}`
}

async function verifyOwn(password: string, parts: RegExpExecArray | null): Promise<boolean> {
  const [, cost = '', salt = '', digest = ''] = parts ?? []
  if (!isBearable(cost)) return false
  return bcryptVerify(keyedDigest(password, salt), `$2b$${cost.padStart(2, '0')}$${salt}${digest}`)
}

/** bcrypt as other systems store it. It reads 72 bytes and no more, here as there. */
async function verifyBcrypt(password: string, stored: string): Promise<boolean> {
  const cost = PLAIN_BCRYPT.exec(stored)?.[1]
  if (cost === undefined || !isBearable(cost)) return false
  return (await bcryptVerify(password, stored)) || bcryptVerify(password.normalize('NFKC'), stored)
}

function isBearable(cost: string): boolean {
  return Number(cost) >= LOWEST_COST && Number(cost) <= HIGHEST_COST
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

  constructor(limit: number) {
    this.#limit = limit
    this.#slots = Math.max(1, Math.min(availableParallelism(), THREAD_POOL_SIZE - 1))
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
