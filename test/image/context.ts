import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import ignore from '@balena/dockerignore'
import { packageRoot } from '../../src/package.js'

/** Folders that are not searched: each contains tens of thousands of files. */
const NEVER_LOOKED_INTO = new Set(['node_modules', '.git', '.tap', 'dist', 'dist-test'])

/** The files below a path of this project that .dockerignore lets into the build context. */
export async function contextFiles(under = ''): Promise<string[]> {
  const ignored = ignore.default().add(await readFile(join(packageRoot, '.dockerignore'), 'utf8'))
  const files = await walk(packageRoot)
  const within = files.filter((file) => under === '' || file === under || file.startsWith(`${under}/`))
  return ignored.filter(within).sort()
}

async function walk(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = entries.map((entry) => {
    const path = join(folder, entry.name)
    if (!entry.isDirectory()) return [relative(packageRoot, path)]
    // One name stands for the whole folder: it only matters whether .dockerignore excludes it.
    return NEVER_LOOKED_INTO.has(entry.name) ? [join(relative(packageRoot, path), 'anything')] : walk(path)
  })
  return (await Promise.all(found)).flat()
}
