import { closeSync, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'

const MODE_BITS = 0o777
const BITS_OF_OTHERS = 0o077

interface Strictness {
  /** Check the mode only if the file belongs to the user of this process, as ssh does for its keys. */
  ownedOnly?: boolean
}

/**
 * The content of a file that holds a secret, without the line break at its end.
 * @throws Error if users other than the owner may open the file, or if it cannot be read (with the `code` of the
 * system)
 */
export function readSecretFile(file: string, { ownedOnly = false }: Strictness = {}): string {
  const descriptor = openSync(file, 'r')
  try {
    const stats = fstatSync(descriptor)
    // A platform that mounts secrets (Docker, Kubernetes) owns the files and sets their modes.
    const isJudged = !ownedOnly || stats.uid === process.getuid?.()
    if (isJudged && isOpenToOthers(stats)) {
      const mode = (stats.mode & MODE_BITS).toString(8).padStart(4, '0')
      throw new Error(`is accessible to other users than its owner (mode ${mode}): run chmod 600 ${file}`)
    }
    return readFileSync(descriptor, 'utf8').replace(/\r?\n$/, '')
  } finally {
    closeSync(descriptor)
  }
}

/** Checks regular files only: pipes and terminals have modes of their own, and Windows has no modes. */
function isOpenToOthers(stats: Stats): boolean {
  return process.getuid !== undefined && stats.isFile() && (stats.mode & BITS_OF_OTHERS) !== 0
}
