import { type Algorithm, hashRawSync, hashSync } from '@node-rs/argon2'

// Argon2id with one lane (RFC 9106). The service already uses every processor, one hash each, so more lanes would help
// only an attacker.

interface Argon2idParameters {
  /** In KiB. */
  memory: number
  passes: number
}

/** The enum of the package is ambient and has no value at run time. */
const ARGON2ID = 2 as Algorithm
const SALT = new Uint8Array(16)

/** The hash to store, as a PHC string with a random salt of 16 bytes and a digest of 32. */
export function argon2idHash(password: string, parameters: Argon2idParameters): string {
  return hashSync(password, optionsOf(parameters))
}

/** Computes a dummy hash, to take as much time as a real hash. */
export function computeArgon2id(parameters: Argon2idParameters): void {
  hashRawSync('', { ...optionsOf(parameters), salt: SALT })
}

function optionsOf({ memory, passes }: Argon2idParameters) {
  return { algorithm: ARGON2ID, memoryCost: memory, timeCost: passes, parallelism: 1, outputLen: 32 }
}
