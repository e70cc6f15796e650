// npm run build:test: every file by itself, types stripped and not checked, in a second where tsc takes twenty.
import { readdirSync, rmSync, symlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { build } from 'esbuild'

const OUT = 'dist-test'
const FOLDERS = ['src', 'plugins', 'routes', 'drizzle', 'test', 'scripts', 'bench']
/** Clients that a test generates and compiles by itself. */
const LEFT_OUT = new Set(['test/clients', 'test/.generated'])

rmSync(OUT, { recursive: true, force: true })
await build({
  entryPoints: FOLDERS.flatMap(sourcesIn),
  outdir: OUT,
  outbase: '.',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
})
// The packages of the tests, for the tests alone: the service must find the versions that its own lock file names.
symlinkSync(resolve('test/node_modules'), `${OUT}/test/node_modules`, 'junction')

function sourcesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' || LEFT_OUT.has(path) ? [] : sourcesIn(path)
    return path.endsWith('.ts') ? [path] : []
  })
}
