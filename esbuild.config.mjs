// npm run build: a few files in place of 1,300, whose loading took half of a start. What is written is not judged here: tsc
// does that.
import { cpSync, rmSync } from 'node:fs'
import { build, context } from 'esbuild'

const OUT = 'dist'

/** Packages that hold native code or files of their own, or that few services load: they stay where npm puts them. */
const LEFT_OUT = [
  'better-sqlite3*',
  '@node-rs/*',
  '@opentelemetry/*',
  '@zxcvbn-ts/*',
  'pg',
  'prom-client',
  'iconv-lite',
]

/** What CommonJS packages inside expect to find. */
const BANNER = `import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
const __dirname = import.meta.dirname`

const options = {
  // What is loaded by its file's name: the command and the thread.
  entryPoints: ['src/cli.ts', 'src/hash-thread.ts'],
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
  banner: { js: BANNER },
  // No comments and no indentation: Node reads the half of it in half the time. Names stay, for an error's stack.
  minifyWhitespace: true,
  lineLimit: 120,
  legalComments: 'external',
  logLevel: 'warning',
}

if (process.argv.includes('--watch')) {
  await (await context(options)).watch()
} else {
  // Not while watching: what was built before is running then.
  rmSync(OUT, { recursive: true, force: true })
  await build(options)
  // Swagger UI looks for its pages in the folder beside the one its code is in.
  cpSync('node_modules/@fastify/swagger-ui/static', `${OUT}/static`, { recursive: true })
}
