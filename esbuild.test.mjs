// npm run build:test: every file by itself, types stripped and not judged, in a second where tsc takes twenty.
import { readdirSync, rmSync } from 'node:fs'
import { build } from 'esbuild'

const OUT = 'dist-test'
/** Clients that a test generates and compiles by itself. */
const LEFT_OUT = /^test\/(clients|\.generated)\//

const entryPoints = ['src', 'plugins', 'routes', 'drizzle', 'test', 'bench']
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => `${folder}/${file}`))
  .filter((file) => file.endsWith('.ts') && !LEFT_OUT.test(file))

rmSync(OUT, { recursive: true, force: true })
await build({
  entryPoints,
  outdir: OUT,
  outbase: '.',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
})
