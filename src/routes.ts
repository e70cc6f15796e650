import { readdirSync } from 'node:fs'
import type { FastifyPluginAsync } from 'fastify'

const FOLDER = new URL('../routes/', import.meta.url)

// Read when the sources run file by file. The bundle has a list of imports in place of this file: see esbuild.config.mjs.
const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.[jt]s$/.test(file))
  .sort()

/** What the files of the folder routes/ export, in the order of their names. No route depends on the order. */
export const routes: readonly FastifyPluginAsync[] = await Promise.all(
  files.map(async (file) => (await import(new URL(file, FOLDER).href)).default),
)
