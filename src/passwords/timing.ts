import { computeArgon2id } from './argon2id.js'
import { BCRYPT_COSTS, bcryptDigest } from './bcrypt.js'
import type { ForeignHash } from './foreign-hashes.js'
import type { Scheme } from './scheme.js'

// Makes a wrong password take the same time for every stored hash. Work is counted in units of the current scheme
// (rounds of bcrypt, or KiB times passes of argon2). Each thread measures the duration of a unit.

const NOBODYS_SALT = '.'.repeat(22)
/** The least memory of argon2, in KiB. */
const LEAST_ARGON2_MEMORY = 8

/** The smoothed duration of a unit in this thread, in milliseconds. 0 before the first measurement. */
const unitMs = { bcrypt: 0, argon2id: 0 }
/** The least work that is measured: shorter hashes are too imprecise. */
const MEASURED_FROM = { bcrypt: 2 ** 8, argon2id: 2 ** 14 }

/** The work of one hash of the scheme. */
export function usualWork(scheme: Scheme): number {
  return scheme.name === 'bcrypt' ? 2 ** scheme.cost : scheme.memory * scheme.passes
}

/** Computes dummy hashes of the scheme for this much work, largest first. */
export function spend(work: number, scheme: Scheme): void {
  let left = work
  for (let spent = -1; spent !== 0; left -= spent) {
    const startedAt = performance.now()
    spent = scheme.name === 'bcrypt' ? spendOnBcrypt(left) : spendOnArgon2id(left, scheme)
    learn(scheme.name, spent, performance.now() - startedAt)
  }
}

/** The work of a verification that took `elapsedMs`. Undefined before the speed of this thread is known. */
export function workOf(known: ForeignHash, elapsedMs: number, scheme: Scheme): number | undefined {
  if (known.verify === undefined) return 0
  const { bcryptCost, argon2Work } = known
  const exact = scheme.name === 'argon2id' ? argon2Work : bcryptCost === undefined ? undefined : 2 ** bcryptCost
  if (exact === undefined) return workIn(elapsedMs, scheme)
  learn(scheme.name, exact, elapsedMs)
  return exact
}

/** The work that takes this long. Undefined before the speed of this thread is known. */
export function workIn(elapsedMs: number, { name }: Scheme): number | undefined {
  return unitMs[name] === 0 ? undefined : elapsedMs / unitMs[name]
}

/** The duration of this much work, in milliseconds. 0 before the speed of this thread is known. */
export function timeOf(work: number, { name }: Scheme): number {
  return work * unitMs[name]
}

/** Computes the most expensive bcrypt hash within `left` and returns its work. 0 if none fits. */
function spendOnBcrypt(left: number): number {
  const cost = Math.min(Math.floor(Math.log2(left)), BCRYPT_COSTS.highest)
  if (!(cost >= BCRYPT_COSTS.lowest)) return 0
  bcryptDigest('', cost, NOBODYS_SALT)
  return 2 ** cost
}

function spendOnArgon2id(left: number, { memory: most, passes }: { memory: number; passes: number }): number {
  const memory = Math.min(most, Math.floor(left / passes))
  if (memory < LEAST_ARGON2_MEMORY) return 0
  computeArgon2id({ memory, passes })
  return memory * passes
}

function learn(name: Scheme['name'], work: number, elapsedMs: number): void {
  if (work < MEASURED_FROM[name]) return
  const measured = elapsedMs / work
  unitMs[name] = unitMs[name] === 0 ? measured : 0.8 * unitMs[name] + 0.2 * measured
}
