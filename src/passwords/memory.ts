// Reads the memory of a hash from its parameters: the queue needs the number before a thread computes the hash.

const ARGON2 = /\$argon2(?:id|i|d)\$v=\d+\$m=(\d{1,10}),/
/** N and r as werkzeug, Django and passlib write them. passlib writes the logarithm of N. */
const SCRYPT = /^(?:scrypt:(?<n>\d{1,10}):(?<r>\d{1,10}):|scrypt\$(?<n2>\d{1,10})\$[^$]*\$(?<r2>\d{1,10})\$)/
const PASSLIB_SCRYPT = /^\$scrypt\$ln=(?<ln>\d{1,2}),r=(?<r>\d{1,10}),/
/** Hashes that need more memory are not computed. */
const MOST_MEMORY = 128 * 2 ** 20

/** The memory in bytes. 0 for formats that need almost none, and for hashes that are not computed. */
export function memoryOf(stored: string): number {
  const bytes = argon2Memory(stored) ?? scryptMemory(stored) ?? 0
  return bytes <= MOST_MEMORY ? bytes : 0
}

function argon2Memory(stored: string): number | undefined {
  const kibibytes = ARGON2.exec(stored)?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 2 ** 10
}

function scryptMemory(stored: string): number | undefined {
  const { n, r, n2 = n, r2 = r } = SCRYPT.exec(stored)?.groups ?? {}
  if (n2 !== undefined) return 128 * Number(n2) * Number(r2)
  const passlib = PASSLIB_SCRYPT.exec(stored)?.groups
  return passlib && 128 * 2 ** Number(passlib.ln) * Number(passlib.r)
}
