import { createHash, createHmac, pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto'
import { verifySync as argon2Verify } from '@node-rs/argon2'
import { ARGON2_WORK } from '../config/argon2-bounds.js'
import { bcryptVerifier } from './bcrypt.js'
import { DEFAULT_ROUNDS, sha2CryptVerifier } from './sha2-crypt.js'

// Hashes of other systems, in the formats of werkzeug, passlib and Django. A hash that exceeds these bounds counts as a
// wrong password, so that an imported row cannot hang the process. Each bound is above the current defaults of the
// three, and takes a second or two at most.

const PBKDF2_ITERATIONS = 2_000_000
/** N * r * p, at 128 bytes of memory each: 128 MiB at most. */
const SCRYPT_WORK = 2 ** 20
/** In KiB. */
const ARGON2_MEMORY = 2 ** 17

/** Whether the raw password matches a hash. May throw for invalid parameters. */
type Verify = (password: string) => boolean

export interface ForeignHash {
  /** The name of the format in reports. */
  format: string
  /** The format and its parameters, without salt and digest: hashes with the same settings take the same time. */
  settings: string
  /** Undefined if the hash exceeds the bounds. */
  verify: Verify | undefined
  /** The bcrypt cost, from which the work is known without a measurement. */
  bcryptCost?: number
  /** Memory in KiB times passes of argon2, from which the work is known without a measurement. */
  argon2Work?: number
}

type Parts = Record<string, string>

interface Format {
  name: string
  pattern: RegExp
  read(parts: Parts): Omit<ForeignHash, 'format' | 'settings'> | undefined
}

const HEX = (bytes: number) => `(?<hex>[0-9a-f]{${2 * bytes}})`
const BCRYPT_SALT = '(?<salt>[./A-Za-z0-9]{22})'
const BCRYPT_DIGEST = '(?<digest>[./A-Za-z0-9]{31})'
const BCRYPT = `\\$2[aby]\\$(?<cost>\\d{2})\\$${BCRYPT_SALT}${BCRYPT_DIGEST}`
const BASE64 = '(?<base64>[A-Za-z0-9+/]{20,88}={0,2})'
const COUNT = '\\d{1,10}'

/** All known formats. `read` receives the named groups of the pattern. */
const FORMATS: Format[] = [
  {
    name: 'bcrypt',
    pattern: match(BCRYPT),
    read: (parts) => viaBcrypt(parts, (password) => password),
  },
  {
    name: 'Django bcrypt',
    pattern: match(`bcrypt\\$${BCRYPT}`),
    read: (parts) => viaBcrypt(parts, (password) => password),
  },
  {
    name: 'Django bcrypt_sha256',
    pattern: match(`bcrypt_sha256\\$${BCRYPT}`),
    read: (parts) => viaBcrypt(parts, (password) => sha256(password).toString('hex')),
  },
  {
    name: 'passlib bcrypt-sha256 version 1',
    pattern: match(`\\$bcrypt-sha256\\$2[ab],(?<cost>\\d{1,2})\\$${BCRYPT_SALT}\\$${BCRYPT_DIGEST}`),
    read: (parts) => viaBcrypt(parts, (password) => sha256(password).toString('base64')),
  },
  ...(['sha1', 'sha256', 'sha512'] as const).map((hash) => ({
    name: `werkzeug pbkdf2:${hash}`,
    pattern: match(`pbkdf2:${hash}:(?<count>${COUNT})\\$(?<salt>[^$]{0,256})\\$${HEX(digestSize(hash))}`),
    read: ({ count, salt = '', hex = '' }: Parts) => viaPbkdf2(hash, count, Buffer.from(salt), Buffer.from(hex, 'hex')),
  })),
  ...(['sha1', 'sha256'] as const).map((hash) => ({
    name: `Django pbkdf2_${hash}`,
    pattern: match(`pbkdf2_${hash}\\$(?<count>${COUNT})\\$(?<salt>[^$]{0,256})\\$${BASE64}`),
    read: ({ count, salt = '', base64 = '' }: Parts) =>
      viaPbkdf2(hash, count, Buffer.from(salt), Buffer.from(base64, 'base64')),
  })),
  ...(['sha1', 'sha256', 'sha512'] as const).map((hash) => ({
    name: `passlib pbkdf2-${hash}`,
    pattern: match(
      `\\$pbkdf2${hash === 'sha1' ? '' : `-${hash}`}\\$(?<count>${COUNT})\\$(?<salt>[./A-Za-z0-9]*)\\$(?<digest>[./A-Za-z0-9]{27,86})`,
    ),
    read: ({ count, salt = '', digest = '' }: Parts) =>
      viaPbkdf2(hash, count, fromPasslibBase64(salt), fromPasslibBase64(digest)),
  })),
  {
    name: 'werkzeug scrypt',
    pattern: match(`scrypt:(?<n>${COUNT}):(?<r>${COUNT}):(?<p>${COUNT})\\$(?<salt>[^$]{0,256})\\$${HEX(64)}`),
    read: ({ n, r, p, salt = '', hex = '' }) =>
      viaScrypt(Number(n), Number(r), Number(p), Buffer.from(salt), Buffer.from(hex, 'hex')),
  },
  {
    name: 'passlib scrypt',
    pattern: match(
      `\\$scrypt\\$ln=(?<ln>\\d{1,2}),r=(?<r>${COUNT}),p=(?<p>${COUNT})\\$(?<salt>[A-Za-z0-9+/]*)\\$${BASE64}`,
    ),
    read: ({ ln, r, p, salt = '', base64 = '' }) =>
      viaScrypt(2 ** Number(ln), Number(r), Number(p), Buffer.from(salt, 'base64'), Buffer.from(base64, 'base64')),
  },
  {
    name: 'Django scrypt',
    pattern: match(`scrypt\\$(?<n>${COUNT})\\$(?<salt>[^$]{0,256})\\$(?<r>${COUNT})\\$(?<p>${COUNT})\\$${BASE64}`),
    read: ({ n, salt = '', r, p, base64 = '' }) =>
      viaScrypt(Number(n), Number(r), Number(p), Buffer.from(salt), Buffer.from(base64, 'base64')),
  },
  {
    name: 'argon2',
    pattern: match(
      `(?:argon2)?(?<argon2>\\$argon2(?:id|i|d)\\$v=19\\$m=(?<m>${COUNT}),t=(?<t>${COUNT}),p=(?<p>\\d{1,3})\\$[A-Za-z0-9+/]{11,86}\\$[A-Za-z0-9+/]{16,86})`,
    ),
    read: ({ argon2 = '', m, t, p }) => viaArgon2(argon2, { memory: Number(m), passes: Number(t), lanes: Number(p) }),
  },
  ...(['sha256', 'sha512'] as const).map((hash) => ({
    name: `werkzeug ${hash}`,
    pattern: match(`${hash}\\$(?<salt>[^$]{0,256})\\$${HEX(digestSize(hash))}`),
    read: ({ salt = '', hex = '' }: Parts) => ({
      verify: (password: string) =>
        timingSafeEqual(createHmac(hash, salt).update(password).digest(), Buffer.from(hex, 'hex')),
    }),
  })),
  ...(
    [
      ['sha256', 5, 43],
      ['sha512', 6, 86],
    ] as const
  ).map(([algorithm, mark, length]) => ({
    name: `${algorithm}-crypt`,
    pattern: match(
      `\\$${mark}\\$(?:rounds=(?<rounds>\\d{4,10})\\$)?(?<salt>[./A-Za-z0-9]{0,16})\\$(?<digest>[./A-Za-z0-9]{${length}})`,
    ),
    read: ({ rounds, salt = '', digest = '' }: Parts) => ({
      verify: sha2CryptVerifier({ algorithm, rounds: Number(rounds ?? DEFAULT_ROUNDS), salt, digest }),
    }),
  })),
]

/** A PostgreSQL bytea as text, and the repr of Python bytes: how a `bytes` hash looks in a text column. */
const BYTEA = /^\\x((?:[0-9a-f]{2})+)$/i
const PYTHON_BYTES = /^b(['"])(.*)\1$/

/** Unwraps a hash that was stored as the text of its bytes. */
export function bareHash(stored: string): string {
  const hex = BYTEA.exec(stored)?.[1]
  if (hex !== undefined) return Buffer.from(hex, 'hex').toString()
  return PYTHON_BYTES.exec(stored)?.[2] ?? stored
}

/** Parses a stored hash of another system. Undefined if the format is unknown. */
export function readForeignHash(stored: string): ForeignHash | undefined {
  for (const { name, pattern, read } of FORMATS) {
    const found = pattern.exec(stored)
    if (found === null) continue
    const parts = { ...found.groups }
    return { format: name, settings: settingsOf(name, parts), verify: undefined, ...read(parts) }
  }
  return undefined
}

function settingsOf(name: string, parts: Parts): string {
  const { cost, count, n, ln, r, p, m, t, rounds } = parts
  return [name, cost, count, n, ln, r, p, m, t, rounds].join(' ')
}

function match(pattern: string): RegExp {
  return new RegExp(`^${pattern}$`)
}

function digestSize(hash: 'sha1' | 'sha256' | 'sha512'): number {
  return { sha1: 20, sha256: 32, sha512: 64 }[hash]
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** bcrypt of the password, transformed by `prepare`. */
function viaBcrypt({ cost, salt = '', digest = '' }: Parts, prepare: (password: string) => string) {
  const bcryptCost = Number(cost)
  const verify = bcryptVerifier(bcryptCost, salt, digest)
  return verify && { bcryptCost, verify: (password: string) => verify(prepare(password)) }
}

function viaPbkdf2(hash: 'sha1' | 'sha256' | 'sha512', count: string | undefined, salt: Buffer, digest: Buffer) {
  const iterations = Number(count)
  if (iterations < 1 || iterations > PBKDF2_ITERATIONS || digest.length !== digestSize(hash)) return undefined
  return {
    verify: (password: string) => timingSafeEqual(pbkdf2Sync(password, salt, iterations, digest.length, hash), digest),
  }
}

function viaScrypt(N: number, r: number, p: number, salt: Buffer, digest: Buffer) {
  const isPowerOfTwo = N >= 2 && Number.isInteger(Math.log2(N))
  if (!isPowerOfTwo || r < 1 || p < 1 || N * r * p > SCRYPT_WORK || digest.length < 16) return undefined
  // Node allows 32 MiB by default; the parameters of werkzeug need slightly more.
  const maxmem = 256 * r * (N + p)
  return {
    verify: (password: string) =>
      timingSafeEqual(scryptSync(password, salt, digest.length, { N, r, p, maxmem }), digest),
  }
}

function viaArgon2(hash: string, { memory, passes, lanes }: { memory: number; passes: number; lanes: number }) {
  if (memory > ARGON2_MEMORY || memory * passes > ARGON2_WORK) return undefined
  return {
    ...(lanes === 1 && { argon2Work: memory * passes }),
    // Throws for a salt that is not base64, and for less than 8 KiB per lane.
    verify: (password: string) => argon2Verify(hash, password),
  }
}

/** passlib writes `.` instead of the `+` of base64. */
function fromPasslibBase64(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64')
}
