import { createHash, hash, timingSafeEqual } from 'node:crypto'

// SHA-crypt as specified by Ulrich Drepper: the `$5$` and `$6$` of crypt(3). The step numbers are from the
// specification.

const FEWEST_ROUNDS = 1_000
const MOST_ROUNDS = 1_000_000
export const DEFAULT_ROUNDS = 5_000
/** In bytes. Limited because every round hashes the password again; no longer password can be set. */
const LONGEST_PASSWORD = 1_024
/** Rounds times bytes of the password. A hash at this limit takes two or three seconds. */
const MOST_WORK = 2 ** 27

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

type Algorithm = 'sha256' | 'sha512'

interface Stored {
  algorithm: Algorithm
  rounds: number
  /** At most 16 characters. */
  salt: string
  /** In crypt's base64. */
  digest: string
}

/** Returns a function that verifies a SHA-crypt hash. Undefined if the hash has too many rounds. */
export function sha2CryptVerifier({ algorithm, rounds, salt, digest }: Stored) {
  if (rounds > MOST_ROUNDS) return undefined
  return (text: string): boolean => {
    const password = Buffer.from(text)
    if (password.length > LONGEST_PASSWORD || password.length * rounds > MOST_WORK) return false
    const computed = sha2Crypt(algorithm, password, Buffer.from(salt), Math.max(rounds, FEWEST_ROUNDS))
    return timingSafeEqual(Buffer.from(computed), Buffer.from(digest))
  }
}

/** The digest in crypt's base64: 43 characters of SHA-256, 86 of SHA-512. */
function sha2Crypt(algorithm: Algorithm, password: Buffer, salt: Buffer, rounds: number): string {
  const digest = (...parts: Buffer[]) => {
    const hashing = createHash(algorithm)
    for (const part of parts) hashing.update(part)
    return hashing.digest()
  }
  const { length } = password
  // Steps 1 to 12.
  const alternate = digest(password, salt, password)
  const bits = length === 0 ? [] : [...length.toString(2)].reverse()
  const first = digest(
    password,
    salt,
    repeat(alternate, length),
    ...bits.map((bit) => (bit === '1' ? alternate : password)),
  )
  // Steps 13 to 20.
  const p = repeat(digest(...Array<Buffer>(length).fill(password)), length)
  const s = repeat(digest(...Array<Buffer>(16 + (first[0] ?? 0)).fill(salt)), salt.length)
  return encode(algorithm, stretch(algorithm, { first, p, s, rounds }))
}

interface Stretch {
  first: Buffer
  p: Buffer
  s: Buffer
  rounds: number
}

/** Step 21. The input of a round has one of eight forms, in which only the previous digest changes. */
function stretch(algorithm: Algorithm, { first, p, s, rounds }: Stretch): Buffer {
  const forms = Array.from({ length: 8 }, (_, form) => {
    const isOdd = (form & 1) !== 0
    const middle = [...(form & 2 ? [s] : []), ...(form & 4 ? [p] : [])]
    const text = Buffer.concat(isOdd ? [p, ...middle, first] : [first, ...middle, p])
    return { text, offset: isOdd ? text.length - first.length : 0 }
  })
  let previous = first
  for (let round = 0; round < rounds; round += 1) {
    const form = forms[(round & 1) | (round % 3 === 0 ? 0 : 2) | (round % 7 === 0 ? 0 : 4)]
    if (form === undefined) throw new Error('There are eight forms')
    form.text.set(previous, form.offset)
    previous = hash(algorithm, form.text, 'buffer')
  }
  return previous
}

function repeat(bytes: Buffer, length: number): Buffer {
  return Buffer.alloc(length, bytes)
}

/**
 * Step 22: encodes three bytes at a time, one from each third of the digest, rotating their order from group to group.
 */
function encode(algorithm: Algorithm, digest: Buffer): string {
  const third = Math.floor(digest.length / 3)
  let [a, b, c] = [0, third, 2 * third]
  let text = ''
  const byte = (index: number) => digest[index] ?? 0
  for (let group = 0; group < third; group += 1) {
    text += digits((byte(a) << 16) | (byte(b) << 8) | byte(c), 4)
    ;[a, b, c] = algorithm === 'sha256' ? [c + 1, a + 1, b + 1] : [b + 1, c + 1, a + 1]
  }
  return text + (algorithm === 'sha256' ? digits((byte(31) << 8) | byte(30), 3) : digits(byte(63), 2))
}

/** Encodes six bits per character, lowest bits first. */
function digits(value: number, count: number): string {
  return Array.from({ length: count }, (_, index) => ALPHABET.charAt((value >> (6 * index)) & 63)).join('')
}
