// On SQLite alone: no database.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { compatRoutes, routes as ownRoutes } from '../../routes/index.js'
import { packageRoot } from '../../src/package.js'

interface Source {
  path: string
  folder: string
  text: string
  /** What it imports of ours, types and dynamic imports included, as paths from the root. */
  imports: string[]
}

const FOLDERS = ['drizzle', 'src', 'plugins', 'routes']
const LONGEST = 300

const files = FOLDERS.flatMap(readFolder)

t.test('there is something to look at', async (t) => {
  for (const folder of FOLDERS) t.ok(files.filter((file) => file.folder === folder).length > 1, folder)
  t.ok(files.flatMap(({ imports }) => imports).length > 100)
})

// drizzle <- src <- plugins, and src <- routes: what a folder may know of the others.
const MAY_IMPORT: Record<string, string[]> = {
  drizzle: [],
  src: ['drizzle', 'src'],
  plugins: ['src'],
  routes: ['src'],
}

/** Those that put things together. */
const MAY_ALSO_IMPORT: Record<string, string[]> = { 'src/app.ts': ['plugins', 'routes'], 'routes/index.ts': ['routes'] }

t.test('imports follow the arrows; only src/app.ts knows plugins, and only their list knows routes', async (t) => {
  for (const { path, folder, imports } of files) {
    const allowed = [...(MAY_IMPORT[folder] ?? []), ...(MAY_ALSO_IMPORT[path] ?? [])]
    t.same(
      imports.filter((imported) => !allowed.includes(topOf(imported))),
      [],
      path,
    )
  }
})

t.test('every file of routes is on the list, and the app knows the list alone', async (t) => {
  const routesIn = (path: string) =>
    files.find((file) => file.path === path)?.imports.filter((imported) => topOf(imported) === 'routes')
  const routes = files.filter(({ path, folder }) => folder === 'routes' && path !== 'routes/index.ts')
  t.same(
    routesIn('routes/index.ts')?.sort(),
    routes.map(({ path }) => path),
  )
  t.equal(new Set([...ownRoutes, ...compatRoutes]).size, routes.length)
  t.same(routesIn('src/app.ts'), ['routes/index.ts'])
})

// However it is taken: tables.sessions, tables: { sessions }, const { sessions } = tables, or its name in SQL.
const SESSIONS_TABLE =
  /\btables\.sessions\b|\btables: \{[^}]*\bsessions\b|\{[^{}]*\bsessions\b[^{}]*\} = [^\n]*\btables\b|\b(from|into|update) sessions\b/

const KEPT_TO: { what: string; pattern: RegExp; places: string[] }[] = [
  {
    what: 'the environment',
    pattern: /\bprocess\s*\.\s*env\b|\bprocess\[/,
    places: ['src/config/config.ts', 'src/config/environment.ts'],
  },
  { what: 'the table of sessions', pattern: SESSIONS_TABLE, places: ['src/sessions/statements.ts'] },
  // The names of columns, as the schema has them.
  { what: 'SQL from text', pattern: /\bsql\.(raw|identifier)\b/, places: ['src/database/postgres/recorded.ts'] },
]

t.test('some things are done in one place', async (t) => {
  const code = files.filter(({ folder }) => folder !== 'drizzle')
  for (const { what, pattern, places } of KEPT_TO) {
    t.same(
      code.filter(({ text }) => pattern.test(text)).map(({ path }) => path),
      places,
      what,
    )
  }
})

t.test('a file can be read in one go', async (t) => {
  for (const { path, folder, text } of files) {
    if (folder !== 'drizzle') t.ok(text.split('\n').length <= LONGEST, `${path} has at most ${LONGEST} lines`)
  }
})

function readFolder(folder: string): Source[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => {
      const path = join(folder, name)
      const text = readFileSync(join(packageRoot, path), 'utf8')
      return { path, folder, text, imports: importsOf(path, text) }
    })
}

function importsOf(path: string, text: string): string[] {
  const { importedFiles } = ts.preProcessFile(text, true, true)
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative('.', join(dirname(path), name.replace(/\.js$/, '.ts'))))
}

function topOf(path: string): string {
  return path.split('/')[0] ?? ''
}
