// npm run build: a few files in place of 1,300, whose loading took half of a start. What is written is not judged here: tsc
// does that.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { build, context } from 'esbuild'

const OUT = 'dist'

/** Packages that hold native code or files of their own, or that few services load: they stay where npm puts them. */
const LEFT_OUT = ['better-sqlite3', '@node-rs/*', '@opentelemetry/*', '@zxcvbn-ts/*', 'pg', 'prom-client', 'iconv-lite']

/** What CommonJS packages inside expect to find. */
const BANNER = `import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url)
const __dirname = import.meta.dirname`

const options = {
  // What is loaded by its file's name: the command and the thread.
  entryPoints: ['src/cli.ts', 'src/passwords/thread.ts'],
  outdir: OUT,
  outbase: '.',
  // One folder below src/, as the sources are, so that a file is found from the bundle and from the sources alike.
  chunkNames: 'src/chunks/[name]-[hash]',
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
  plugins: [{ name: 'routes', setup: listRoutes }],
}

if (process.argv.includes('--watch')) {
  // esbuild's own writing takes away what was built before when a build fails, and the service with it.
  const watching = await context({
    ...options,
    write: false,
    plugins: [...options.plugins, { name: 'serve', setup: serveEachBuild }],
  })
  await watching.watch()
} else {
  rmSync(OUT, { recursive: true, force: true })
  await build(options)
  // Swagger UI looks for its pages in the folder beside the one its code is in.
  cpSync('node_modules/@fastify/swagger-ui/static', `${OUT}/src/static`, { recursive: true })
}

/** Puts a list of the files of routes/ in place of src/routes.ts, which reads the folder: the bundle has no folder to read. */
function listRoutes({ onLoad }) {
  onLoad({ filter: /[\\/]src[\\/]routes\.ts$/ }, ({ path }) => {
    const entries = readdirSync('routes', { recursive: true, withFileTypes: true })
    const pathOf = ({ parentPath, name }) => `${parentPath}/${name}`.replaceAll('\\', '/')
    const files = entries
      .map(pathOf)
      .filter((file) => file.endsWith('.ts'))
      .sort()
    const imports = files.map((file, index) => `import route${index} from '../${file}'`)
    const names = files.map((_, index) => `route${index}`)
    return {
      contents: `${imports.join('\n')}\nexport const routes = [${names.join(', ')}]`,
      resolveDir: dirname(path),
      watchDirs: ['routes', ...entries.filter((entry) => entry.isDirectory()).map(pathOf)],
    }
  })
}

/** Starts the service anew after each build that succeeded. After a mistake, the last good one goes on. */
function serveEachBuild({ onEnd }) {
  let service
  onEnd(async ({ errors, outputFiles }) => {
    if (errors.length > 0) return console.error('Not built; it goes on as soon as the mistake is repaired.')
    await stop(service)
    for (const { path, contents } of outputFiles) {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, contents)
    }
    const env = { LOG_FORMAT: 'text', ...process.env }
    service = spawn(process.execPath, [`${OUT}/src/cli.js`, 'serve'], { stdio: 'inherit', env })
  })
  // A terminal interrupts the service too, and a second signal would end it in the middle of its stopping.
  for (const [signal, patience] of [
    ['SIGINT', 2_000],
    ['SIGTERM', 0],
  ]) {
    process.once(signal, async () => {
      await stop(service, patience)
      process.exit()
    })
  }
}

/** Resolves when the service has ended, which it is asked for after this many milliseconds. */
async function stop(service, patience = 0) {
  if (service === undefined || service.exitCode !== null || service.signalCode !== null) return
  const ended = once(service, 'exit')
  const asking = setTimeout(() => service.kill('SIGTERM'), patience)
  await ended
  clearTimeout(asking)
}
