// npm run build: bundles 1,300 modules into a few files, because loading the modules took half of a start. Only tsc
// checks types.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { build, context } from 'esbuild'

const OUT = 'dist'

/** Packages with native code or data files, or that few services load. They stay in node_modules. */
const LEFT_OUT = ['better-sqlite3', '@node-rs/*', '@opentelemetry/*', '@zxcvbn-ts/*', 'pg', 'prom-client', 'iconv-lite']

/** Globals that bundled CommonJS packages expect. */
const BANNER = `import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url)
const __dirname = import.meta.dirname`

const options = {
  // The command and the hash thread are loaded by file name.
  entryPoints: ['src/cli.ts', 'src/passwords/thread.ts'],
  outdir: OUT,
  outbase: '.',
  // The same depth as the source folders, so that relative paths work in the bundle and in the sources.
  chunkNames: 'src/chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: LEFT_OUT,
  banner: { js: BANNER },
  // Half the size takes Node half the time to read. Names are kept for stack traces.
  minifyWhitespace: true,
  lineLimit: 120,
  legalComments: 'external',
  logLevel: 'warning',
  plugins: [{ name: 'routes', setup: listRoutes }],
}

if (process.argv.includes('--watch')) {
  // When a build fails, esbuild would delete the last good output, which the service is running from.
  const watching = await context({
    ...options,
    write: false,
    plugins: [...options.plugins, { name: 'serve', setup: serveEachBuild }],
  })
  await watching.watch()
} else {
  rmSync(OUT, { recursive: true, force: true })
  await build(options)
  // Swagger UI looks for its static files in `../static`, relative to its code.
  cpSync('node_modules/@fastify/swagger-ui/static', `${OUT}/src/static`, { recursive: true })
}

/** Replaces src/routes.ts, which reads the folder routes/, by a list of imports: the bundle has no such folder. */
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

/** Restarts the service after each successful build. After a failed build, the old process keeps running. */
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
  // On Ctrl-C the terminal signals the service too. A second signal would abort its graceful shutdown.
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

/** Resolves when the service has exited. Sends SIGTERM if the service has not exited after `patience` milliseconds. */
async function stop(service, patience = 0) {
  if (service === undefined || service.exitCode !== null || service.signalCode !== null) return
  const ended = once(service, 'exit')
  const asking = setTimeout(() => service.kill('SIGTERM'), patience)
  await ended
  clearTimeout(asking)
}
