// On SQLite alone: the package runs on a SQLite file.

import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { packageRoot } from '../../src/package.js'
import { PASSWORD, temporaryFolder } from '../helper.js'
import { nodeProcess } from '../support/child.js'

t.setTimeout(240_000)

const run = promisify(execFile)
const PACKED_MAX_BYTES = 8_000_000

t.test('the tarball of npm pack runs in an empty folder', async (t) => {
  const folder = await temporaryFolder(t)
  // Without scripts: the build exists already, and another test may be running it.
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  const { stdout } = await run('npm', pack, { cwd: packageRoot })
  const [{ filename, size, files }] = JSON.parse(stdout)
  t.ok(size < PACKED_MAX_BYTES, `${size} bytes`)
  const paths: string[] = files.map(({ path }: { path: string }) => path)
  t.match(paths, new Set(['dist/src/cli.js', 'LICENSE', 'README.md', 'CHANGELOG.md', '.env.example']))
  t.same(
    paths.filter((path) => /^(src|test|bench|data|examples)\/|secret|\.db$/.test(path)),
    [],
    'the package contains no source, test, data or secret',
  )
  const operations = await readFile(join(packageRoot, 'docs', 'operations.md'), 'utf8')
  const installedFiles = [...operations.matchAll(/\/opt\/latchkey\/node_modules\/latchkey\/([\w./@-]+)/g)]
  t.ok(installedFiles.length >= 2)
  for (const [, path = ''] of installedFiles) t.ok(paths.includes(path), `${path}, which the page names`)

  // The layout of npx, with the packages of this project instead of a download.
  const installed = join(folder, 'node_modules', 'latchkey')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
  await symlink(join(packageRoot, 'node_modules'), join(installed, 'node_modules'), 'junction')
  const driver = join(packageRoot, 'sqlite-node20', 'node_modules')
  await symlink(driver, join(installed, 'sqlite-node20', 'node_modules'), 'junction')
  await mkdir(join(folder, 'node_modules', '.bin'))
  await symlink('../latchkey/dist/src/cli.js', join(folder, 'node_modules', '.bin', 'latchkey'))

  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))
  const npx = await run('npx', ['--no-install', 'latchkey', '--version'], { cwd: folder })
  t.equal(npx.stdout.trim(), version)
  const settings = { PORT: '0', BCRYPT_COST: '10', MAX_EVENT_LOOP_DELAY: 'off' }
  const service = await nodeProcess(t, [join(installed, 'dist/src/cli.js'), 'serve'], { folder, settings })
  await service.says(/Latchkey listens on/)
  const made = await service.request('POST', '/v1/register', { body: { username: 'mina', password: PASSWORD } })
  t.equal(made.status, 201)
  t.equal((await fetch(`${service.address}/docs`)).status, 200)
  t.match(await readdir(join(folder, 'data')), ['latchkey.db'])
})

// Without this line, npm starts node-gyp, which fails if Python is missing, and silently skips the optional SQLite
// driver. npm itself drops the line from the lock file when it installs the package again.
t.test('the lock file says that the SQLite driver is prebuilt', async (t) => {
  const { packages } = JSON.parse(await readFile(join(packageRoot, 'package-lock.json'), 'utf8'))
  t.equal(packages['node_modules/better-sqlite3'].gypfile, false)
})

t.test('every package that the build imports is a dependency, and locked as one', async (t) => {
  const { dependencies, optionalDependencies } = await manifest()
  const { packages } = JSON.parse(await readFile(join(packageRoot, 'package-lock.json'), 'utf8'))
  const dist = join(packageRoot, 'dist')
  const built = (await readdir(dist, { recursive: true })).filter(
    (name) => name.endsWith('.js') && !name.includes('static'),
  )
  const texts = await Promise.all(built.map((name) => readFile(join(dist, name), 'utf8')))
  const imported = new Set(texts.flatMap(packagesOf))
  t.ok(imported.has('pg') && imported.has('@node-rs/bcrypt'), 'the imports are found')
  for (const name of imported) {
    t.ok(name in { ...dependencies, ...optionalDependencies }, `${name} is a dependency`)
    t.match(packages[`node_modules/${name}`], { version: String, dev: undefined }, `${name} is locked`)
  }
})

t.test('every imported package is a dependency in the package.json of its folder or of the root', async (t) => {
  const root = await dependenciesOf('.')
  const own: Record<string, Set<string>> = {
    test: await dependenciesOf('test'),
    'bench/peers': await dependenciesOf('bench'),
  }
  const folders = ['src', 'plugins', 'routes', 'drizzle', 'scripts', 'bench', 'test']
  const names = await Promise.all(
    folders.map(async (folder) => (await sources(folder)).map((name) => join(folder, name))),
  )
  t.ok(names.flat().length > 400)
  for (const path of names.flat()) {
    const known = Object.entries(own).find(([folder]) => path.startsWith(`${folder}/`))?.[1]
    const missing = packagesOf(await readFile(join(packageRoot, path), 'utf8')).filter(
      (name) => !root.has(name) && !known?.has(name),
    )
    if (missing.length > 0) t.fail(`${path} imports ${missing}`)
  }
})

t.test('no page tells readers to run a package of this name from the registry', async (t) => {
  const found = await Promise.all(
    ['docs', 'examples'].map(async (folder) =>
      (await readdir(join(packageRoot, folder), { recursive: true })).map((name) => join(folder, name)),
    ),
  )
  const pages = ['README.md', 'README.ko.md', 'CONTRIBUTING.md', ...found.flat().filter((name) => name.endsWith('.md'))]
  for (const page of pages) {
    // A command that names a tarball does not use the registry.
    const text = (await readFile(join(packageRoot, page), 'utf8')).replaceAll(/npx --package=\S+\.tgz"? latchkey/g, '')
    t.notMatch(text, /(npx|npm (install|i|exec|create)|pnpm \w+|yarn \w+)( -\S+)* latchkey(@\S+)?\b(?!-)/, page)
  }
})

async function manifest(folder = '.') {
  return JSON.parse(await readFile(join(packageRoot, folder, 'package.json'), 'utf8'))
}

async function dependenciesOf(folder: string): Promise<Set<string>> {
  const { dependencies, devDependencies, optionalDependencies } = await manifest(folder)
  return new Set(Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }))
}

async function sources(folder: string): Promise<string[]> {
  const names = await readdir(join(packageRoot, folder), { recursive: true })
  return names.filter((name) => /\.(ts|mjs)$/.test(name) && !/(^|\/)(node_modules|\.generated|clients)\//.test(name))
}

/** The packages that a file imports, including type imports. */
function packagesOf(text: string): string[] {
  const names = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
  const others = names.filter((name) => !name.startsWith('.') && !isBuiltin(name))
  return [...new Set(others.map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/')))]
}
