import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'

/** The files that a build and the generators read. */
const PARTS = ['src', 'plugins', 'routes', 'drizzle', 'package.json', 'tsconfig.json', 'esbuild.config.mjs']

/** A copy of the project that a test may change, with the original's packages, deleted after the test. */
export async function projectCopy(t: Test, parts: readonly string[] = []): Promise<string> {
  const folder = await temporaryFolder(t)
  for (const part of [...PARTS, ...parts]) cpSync(join(packageRoot, part), join(folder, part), { recursive: true })
  mkdirSync(join(folder, 'test'), { recursive: true })
  for (const packages of ['node_modules', 'test/node_modules', 'sqlite-node20']) {
    symlinkSync(join(packageRoot, packages), join(folder, packages))
  }
  return folder
}
