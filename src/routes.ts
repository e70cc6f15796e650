import { readdirSync } from 'node:fs'
import type { FastifyPluginAsync } from 'fastify'

const FOLDER = new URL('../routes/', import.meta.url)

// Only used when the sources run unbundled: the bundle replaces this file by a list of imports, see esbuild.config.mjs.
const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.[jt]s$/.test(file))
  .sort()

/** The exports of the files in routes/, in the order of their names. No route depends on the order. */
export const routes: readonly FastifyPluginAsync[] = await Promise.all(
  files.map(async (file) => (await import(new URL(file, FOLDER).href)).default),
)
