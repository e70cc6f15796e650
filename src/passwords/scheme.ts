import type { Config } from '../config/config.js'

// How passwords are hashed from now on, and how stored hashes are compared with that. Loads no native code: the main
// thread needs it too.

/** How passwords are hashed from now on, with its parameters. */
export type Scheme =
  | { name: 'bcrypt' /** 2^cost rounds. */; cost: number }
  | { name: 'argon2id' /** In KiB. */; memory: number; passes: number }

const BCRYPT_PREFIX = '$bcrypt-sha256$v=2,t=2b,'
const ARGON2ID_PREFIX = '$argon2id$v=19$'
/** A salt of 16 bytes and a digest of 32. */
const ARGON2ID_END = /^[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/

type Settings = Pick<Config, 'PASSWORD_HASH' | 'BCRYPT_COST' | 'ARGON2_MEMORY' | 'ARGON2_PASSES'>

/** The scheme that the settings ask for. */
export function schemeOf({ PASSWORD_HASH, BCRYPT_COST, ARGON2_MEMORY, ARGON2_PASSES }: Settings): Scheme {
  if (PASSWORD_HASH === 'bcrypt') return { name: 'bcrypt', cost: BCRYPT_COST }
  return { name: 'argon2id', memory: Math.floor(ARGON2_MEMORY / 1_024), passes: ARGON2_PASSES }
}

/** Whether Latchkey itself writes this format, whatever its parameters. */
export function isOwnFormat(stored: string): boolean {
  return stored.startsWith(BCRYPT_PREFIX) || stored.startsWith(ARGON2ID_PREFIX)
}

/** Whether a stored hash is what the scheme would write today. */
export function isInForce(stored: string, scheme: Scheme): boolean {
  if (scheme.name === 'bcrypt') return stored.startsWith(`${BCRYPT_PREFIX}r=${scheme.cost}$`)
  const prefix = `${ARGON2ID_PREFIX}m=${scheme.memory},t=${scheme.passes},p=1$`
  return stored.startsWith(prefix) && ARGON2ID_END.test(stored.slice(prefix.length))
}
