// The accepted parameters of argon2.

const KIB = 1_024
const MIB = KIB ** 2
/** The maximum of memory (KiB) times passes: about half a second for one hash. */
export const ARGON2_WORK = 2 ** 19
/** OWASP's equally strong parameters of argon2id: the minimum of passes for each amount of memory. */
const OWASP_ARGON2ID = [
  { mebibytes: 46, passes: 1 },
  { mebibytes: 19, passes: 2 },
  { mebibytes: 12, passes: 3 },
  { mebibytes: 9, passes: 4 },
  { mebibytes: 7, passes: 5 },
]

/** Why memory (in bytes) and passes, each within its bounds, do not go together; undefined if they do. */
export function argon2Objection(memory: number, passes: number): string | undefined {
  const fewest = OWASP_ARGON2ID.find(({ mebibytes }) => memory >= mebibytes * MIB)?.passes ?? Infinity
  if (passes < fewest) return `ARGON2_PASSES must be at least ${fewest} with this ARGON2_MEMORY, as OWASP advises`
  if ((memory / KIB) * passes <= ARGON2_WORK) return undefined
  return `ARGON2_MEMORY times ARGON2_PASSES must be at most ${(ARGON2_WORK * KIB) / MIB}MiB`
}
