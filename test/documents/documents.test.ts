// On SQLite alone: no database.

import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import t from 'tap'
import { generatedDocuments } from '../../scripts/docs.js'
import { packageRoot } from '../../src/package.js'

const manifest = await readJson('package.json')
/** Folders with their own lock file. */
const INSTALLED = ['.', 'test', 'sqlite-node20', 'bench', 'examples/react']
const lock: Lock = await readJson('package-lock.json')
const readme = await readFile(join(packageRoot, 'README.md'), 'utf8')

const TRANSLATED = [
  ['README.md', 'README.ko.md'],
  ['docs/start.md', 'docs/ko/start.md'],
  ['docs/settings.md', 'docs/ko/settings.md'],
  ['docs/api.md', 'docs/ko/api.md'],
  ['docs/tutorials.md', 'docs/ko/tutorials.md'],
  ['docs/web-apps.md', 'docs/ko/web-apps.md'],
  ['docs/moving/README.md', 'docs/ko/moving-in.md'],
  ['docs/moving/from-flask.md', 'docs/ko/from-flask.md'],
  ['docs/moving/from-fastapi.md', 'docs/ko/from-fastapi.md'],
  ['docs/moving/from-django.md', 'docs/ko/from-django.md'],
] as const
const PAGES_WITH_COMMANDS = ['README.md', 'docs/development.md', 'docs/start.md', 'CONTRIBUTING.md']

interface Locked {
  version: string
  resolved?: string
  optional?: boolean
  devOptional?: boolean
  hasInstallScript?: boolean
  engines?: { node?: string }
  optionalDependencies?: Record<string, string>
}

interface Lock {
  packages: Record<string, Locked>
}

t.test('the generated documents are up to date with npm run docs', async (t) => {
  for (const { path, text } of await generatedDocuments()) {
    t.equal(await readFile(path, 'utf8'), text, relative(packageRoot, path))
  }
})

t.test('the Korean pages have the headings, tables, commands and settings of the English ones', async (t) => {
  for (const [english, korean] of TRANSLATED) {
    const [one, other] = await Promise.all([english, korean].map((path) => readFile(join(packageRoot, path), 'utf8')))
    t.same(outline(other), outline(one), korean)
  }
})

t.test('the first column of a generated table is the same in both languages', async (t) => {
  for (const page of ['api', 'settings']) {
    const [one, other] = await Promise.all(
      [page, `ko/${page}`].map(async (name) => {
        const text = await readFile(join(packageRoot, 'docs', `${name}.md`), 'utf8')
        return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, first]) => first).sort()
      }),
    )
    t.ok((one?.length ?? 0) > 30)
    t.same(other, one, page)
  }
})

t.test('the README has at most 150 lines', async (t) => {
  t.ok(readme.split('\n').length <= 151)
})

t.test('the npm commands that the pages name exist', async (t) => {
  const texts = await Promise.all(PAGES_WITH_COMMANDS.map((path) => readFile(join(packageRoot, path), 'utf8')))
  const commands = [...texts.join('\n').matchAll(/npm run ([\w:]+)|npm (start|test)/g)].map(
    ([, script, short]) => script ?? short,
  )
  t.ok(commands.length >= 5)
  for (const command of new Set(commands)) t.type(manifest.scripts[`${command}`], 'string', `${command}`)
})

t.test('package versions are exact, and the lock files name no registry', async (t) => {
  for (const folder of INSTALLED) {
    const { dependencies, devDependencies, optionalDependencies } = await readJson(`${folder}/package.json`)
    const ranges: Record<string, string> = { ...dependencies, ...devDependencies, ...optionalDependencies }
    t.not(Object.keys(ranges).length, 0)
    for (const [name, range] of Object.entries(ranges)) t.match(range, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name)
    const { packages }: Lock = await readJson(`${folder}/package-lock.json`)
    t.same(
      Object.entries(packages).filter(([, { resolved }]) => resolved?.startsWith('http')),
      [],
    )
  }
})

t.test('only packages named in allowScripts may run a script when they are installed', async (t) => {
  for (const folder of INSTALLED) {
    const { allowScripts = {} } = await readJson(`${folder}/package.json`)
    const { packages }: Lock = await readJson(`${folder}/package-lock.json`)
    const unnamed = Object.entries(packages)
      .filter(([path, { hasInstallScript }]) => path !== '' && hasInstallScript)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
      .filter((name) => !(name in allowScripts))
    t.same(unnamed, [], folder)
  }
})

t.test('every package that npm start needs runs on Node 20', async (t) => {
  const strange = Object.entries(lock.packages)
    // npm silently skips an optional package that does not support the machine.
    .filter(([, { optional, devOptional }]) => !optional && !devOptional)
    .filter(([, { engines }]) => engines?.node && !isWithNode20(engines.node))
  t.same(strange, [])
  t.notOk(isWithNode20('>=22'))
  t.notOk(isWithNode20('^22.1.0 || >=24'))
})

t.test('every platform package that a locked package may need is locked too', async (t) => {
  // npm leaves out packages for other platforms if it did not see them when it wrote the lock file. `npm ci` then fails
  // on those platforms.
  for (const folder of INSTALLED) {
    const { packages }: Lock = await readJson(`${folder}/package-lock.json`)
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !isLocked(packages, path, name)),
    )
    t.same(missing, [], folder)
  }
})

t.test('no package is older than the version that fixed its last known vulnerability', async (t) => {
  const floors = {
    fastify: '5.12.5',
    'fast-jwt': '6.3.1',
    '@fastify/jwt': '10.2.8',
    'drizzle-orm': '0.45.2',
    'find-my-way': '9.7.0',
    'fast-uri': '3.1.8',
    '@fastify/static': '10.1.2',
  }
  for (const [name, floor] of Object.entries(floors)) {
    const found = Object.entries(lock.packages).filter(([path]) => path.endsWith(`node_modules/${name}`))
    t.ok(found.length > 0, name)
    for (const [path, { version }] of found) t.ok(compare(version, floor) >= 0, `${path} ${version} >= ${floor}`)
  }
})

/** The structure of a page: the levels of headings, the rows of each table, the code, and the number of list items. */
function outline(page = '') {
  const prose = page.replaceAll(/```.*?```/gs, '')
  return {
    headings: [...prose.matchAll(/^(#+) /gm)].map(([, level]) => level),
    tables: prose.split(/\n(?!\|)/).flatMap((part) => {
      const rows = part.split('\n').filter((line) => line.startsWith('|'))
      return rows.length > 0 ? [rows.length] : []
    }),
    items: [...prose.matchAll(/^(?:-|\d+\.) /gm)].length,
    // The labels in diagrams are translated.
    code: [...page.matchAll(/^```(\w*)\n(.*?)^```/gms)]
      .filter(([, language]) => language !== 'mermaid')
      .map(([, , code = '']) => code.replaceAll(/ #.*$/gm, '').trim()),
  }
}

function isLocked(packages: Lock['packages'], path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf('/node_modules/'))) {
    if (packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true
    if (!folder.includes('/node_modules/')) return packages[`node_modules/${name}`] !== undefined
  }
}

function compare(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true })
}

/** Whether a range in `engines` of package.json includes a version 20 of Node. */
function isWithNode20(range: string): boolean {
  return range.split('||').some((part) => {
    const [, sign = '', major] = /^\s*(>=|\^|~|>)?\s*v?(\d+|\*)/.exec(part) ?? []
    return major === '*' || Number(major) === 20 || (sign.startsWith('>') && Number(major) < 20)
  })
}

async function readJson(path: string) {
  return JSON.parse(await readFile(join(packageRoot, path), 'utf8'))
}
