// npm run build: a few files in place of 1,300, whose loading took half of a start. What is written stays readable, and is
// not judged here: tsc does that.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, context } from 'esbuild'

const OUT = 'dist'

/** Packages that hold native code or files of their own, or that few services load: they stay where npm puts them. */
const LEFT_OUT = [
  'better-sqlite3*',
  '@node-rs/*',
  '@fastify/swagger-ui',
  '@opentelemetry/*',
  '@zxcvbn-ts/*',
  'pg',
  'prom-client',
]

const options = {
  // What is loaded by its file's name: the command, the thread, and each file of routes. All else is shared among them.
  entryPoints: ['src/cli.ts', 'src/hash-thread.ts', ...filesOf('routes')],
  outdir: OUT,
  outbase: '.',
  // Beside the command, so that what looks for files from its own place finds them from there too.
  chunkNames: 'src/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: LEFT_OUT,
  // CommonJS packages inside ask for Node's own modules by it.
  banner: { js: "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)" },
  logLevel: 'warning',
}

if (process.argv.includes('--watch')) {
  await (await context(options)).watch()
} else {
  // A route that was deleted would still be served. Not while watching: what was built before is running then.
  rmSync(OUT, { recursive: true, force: true })
  await build(options)
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}
