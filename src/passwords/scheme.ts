import type { Config } from '../config/config.js'

// The scheme for new hashes, and its comparison with stored hashes. Imports no native code, because the main thread
// uses this file too.

/** The scheme for new hashes, with its parameters. */
export type Scheme =
  | { name: 'bcrypt' /** 2^cost rounds. */; cost: number }
  | { name: 'argon2id' /** In KiB. */; memory: number; passes: number }

const BCRYPT_PREFIX = '$bcrypt-sha256$v=2,t=2b,'
const ARGON2ID_PREFIX = '$argon2id$v=19$'
/** A salt of 16 bytes and a digest of 32. */
const ARGON2ID_END = /^[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/

type Settings = Pick<Config, 'PASSWORD_HASH' | 'BCRYPT_COST' | 'ARGON2_MEMORY' | 'ARGON2_PASSES'>

/** The scheme of the settings. */
export function schemeOf({ PASSWORD_HASH, BCRYPT_COST, ARGON2_MEMORY, ARGON2_PASSES }: Settings): Scheme {
  if (PASSWORD_HASH === 'bcrypt') return { name: 'bcrypt', cost: BCRYPT_COST }
  return { name: 'argon2id', memory: Math.floor(ARGON2_MEMORY / 1_024), passes: ARGON2_PASSES }
}

/** Whether Latchkey writes this format, with any parameters. */
export function isOwnFormat(stored: string): boolean {
  return stored.startsWith(BCRYPT_PREFIX) || stored.startsWith(ARGON2ID_PREFIX)
}

/** Whether a stored hash has this scheme and its parameters. */
export function isInForce(stored: string, scheme: Scheme): boolean {
  if (scheme.name === 'bcrypt') return stored.startsWith(`${BCRYPT_PREFIX}r=${scheme.cost}$`)
  const prefix = `${ARGON2ID_PREFIX}m=${scheme.memory},t=${scheme.passes},p=1$`
  return stored.startsWith(prefix) && ARGON2ID_END.test(stored.slice(prefix.length))
}
