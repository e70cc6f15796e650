// On SQLite alone: no database.

import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import t from 'tap'
import { packageRoot } from '../src/package.js'
import { generatedDocuments } from './documents.js'

const manifest = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))
const lock: Lock = JSON.parse(await readFile(join(packageRoot, 'package-lock.json'), 'utf8'))
const readme = await readFile(join(packageRoot, 'README.md'), 'utf8')

interface Lock {
  packages: Record<string, { version: string; resolved?: string; optionalDependencies?: Record<string, string> }>
}

t.test('what is generated is fresh: npm run docs', async (t) => {
  for (const { path, text } of await generatedDocuments()) {
    t.equal(await readFile(path, 'utf8'), text, relative(packageRoot, path))
  }
})

t.test('the Korean README names the same endpoints', async (t) => {
  const korean = await readFile(join(packageRoot, 'README.ko.md'), 'utf8')
  const endpoints = (text: string) =>
    [...text.matchAll(/^\| `([A-Z]+ \/\S*)` \|/gm)].map(([, endpoint]) => endpoint).sort()
  t.ok(endpoints(readme).length > 30)
  t.same(endpoints(korean), endpoints(readme))
})

t.test('the commands of the README exist', async (t) => {
  const commands = [...readme.matchAll(/npm run ([\w:]+)|npm (start|test)/g)].map(
    ([, script, short]) => script ?? short,
  )
  t.ok(commands.length >= 5)
  for (const command of new Set(commands)) t.type(manifest.scripts[`${command}`], 'string', `${command}`)
})

t.test('versions are exact, and the lock file says nothing of where it was made', async (t) => {
  const ranges = { ...manifest.dependencies, ...manifest.devDependencies }
  for (const [name, range] of Object.entries(ranges)) t.match(range, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name)
  t.same(
    Object.entries(lock.packages).filter(([, { resolved }]) => resolved?.startsWith('http')),
    [],
  )
})

t.test('every platform package that a locked package may need is locked too', async (t) => {
  // npm leaves out those it could not see when the lock was written, and `npm ci` then fails on other machines.
  const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(path, name)),
  )
  t.same(missing, [])
})

t.test('no package is older than the version that closed its last known hole', async (t) => {
  const floors = {
    fastify: '5.12.5',
    'fast-jwt': '6.3.1',
    '@fastify/jwt': '10.2.8',
    'drizzle-orm': '0.45.2',
    'find-my-way': '9.7.0',
    'fast-uri': '3.1.8',
    '@fastify/static': '10.1.2',
    bcrypt: '5.0.0',
  }
  for (const [name, floor] of Object.entries(floors)) {
    const found = Object.entries(lock.packages).filter(([path]) => path.endsWith(`node_modules/${name}`))
    t.ok(found.length > 0, name)
    for (const [path, { version }] of found) t.ok(compare(version, floor) >= 0, `${path} ${version} >= ${floor}`)
  }
})

function isLocked(path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf('/node_modules/'))) {
    if (lock.packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true
    if (!folder.includes('/node_modules/')) return lock.packages[`node_modules/${name}`] !== undefined
  }
}

function compare(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true })
}
