import { type Algorithm, hashRawSync, hashSync } from '@node-rs/argon2'

// Argon2id of one lane (RFC 9106): the service computes a hash on each processor as it is, and an attacker would win
// more from further lanes than it.

export interface Argon2idParameters {
  /** In KiB. */
  memory: number
  passes: number
}

/** The package's enum is ambient: there is no value of it at run time. */
const ARGON2ID = 2 as Algorithm
const SALT = new Uint8Array(16)

/** The hash to store, as a PHC string with a random salt of 16 bytes and a digest of 32. */
export function argon2idHash(password: string, parameters: Argon2idParameters): string {
  return hashSync(password, optionsOf(parameters))
}

/** Computes a hash that nobody needs, for the sake of the time. */
export function computeArgon2id(parameters: Argon2idParameters): void {
  hashRawSync('', { ...optionsOf(parameters), salt: SALT })
}

function optionsOf({ memory, passes }: Argon2idParameters) {
  return { algorithm: ARGON2ID, memoryCost: memory, timeCost: passes, parallelism: 1, outputLen: 32 }
}
