// On SQLite alone: no database.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  circleOf,
  LAYERS,
  type Layer,
  layerOf,
  readSources,
  SERVICE,
  type Source,
  TOOLS,
} from '../../scripts/architecture.js'
import { packageRoot } from '../../src/package.js'
import { routes } from '../../src/routes.js'

const LONGEST = 250
const LONGEST_OF_THOSE = 300
/** The exception: the file that new resources are copied from, which stays in one piece. */
const LONGER = ['routes/v1/todos.ts']

const files = readSources(SERVICE)
const tools = readSources(TOOLS)

t.test('the checks below find source files and imports', async (t) => {
  for (const layer of LAYERS)
    t.ok(
      files.some(({ path }) => layerOf(path) === layer),
      layer,
    )
  for (const folder of TOOLS) t.ok(tools.filter(({ path }) => path.startsWith(`${folder}/`)).length > 2, folder)
  t.ok(files.flatMap(({ imports }) => imports).length > 500)
  t.ok(tools.flatMap(({ imports }) => imports).length > 300)
})

t.test('every folder of src is listed in LAYERS', async (t) => {
  const folders = readdirSync(join(packageRoot, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  t.same(folders.map(({ name }) => `src/${name}`).sort(), LAYERS.filter((layer) => /^src\/[^.]+$/.test(layer)).sort())
})

t.test('imports point down the list of LAYERS', async (t) => {
  for (const source of files) t.same(upward(source), [], source.path)
  t.same(upward({ path: 'src/config/a.ts', text: '', imports: ['src/http/b.ts', 'src/problems.ts'] }), [
    'src/http/b.ts',
  ])
})

t.test('no file imports itself through other files', async (t) => {
  const source = (path: string, ...imports: string[]) => ({ path, text: '', imports })
  t.same(circleOf([source('a', 'b'), source('b', 'c'), source('c', 'd', 'b'), source('d')]), ['b', 'c', 'b'])
  t.equal(circleOf([source('a', 'b', 'c'), source('b', 'c'), source('c')]), undefined)
  t.equal(circleOf(files), undefined)
  t.equal(circleOf(tools), undefined)
})

/** Layers whose files do not import each other: they share values through decorators. */
const APART: Layer[] = ['plugins', 'routes']

/** The only layers that may import from a layer. Routes are loaded by path, not imported. */
const KNOWN_TO: Partial<Record<Layer, Layer[]>> = {
  plugins: ['src/domain.ts', 'src/app.ts'],
  routes: [],
  'src/routes.ts': ['src/app.ts'],
}

t.test('plugins and routes import neither each other nor files of their own folder', async (t) => {
  for (const { path, imports } of files) {
    const layer = layerOf(path)
    const known = imports.map(layerOf)
    if (APART.includes(layer))
      t.same(
        known.filter((other) => APART.includes(other)),
        [],
        path,
      )
    for (const [other, importers] of Object.entries(KNOWN_TO)) {
      if (layer !== other && known.includes(other as Layer)) t.ok(importers.includes(layer), `${path} imports ${other}`)
    }
  }
})

t.test('every file in routes/ is registered as a route, once', async (t) => {
  const files = readdirSync(join(packageRoot, 'routes'), { recursive: true, encoding: 'utf8' })
  t.equal(routes.length, files.filter((file) => file.endsWith('.ts')).length)
  t.ok(routes.every((route) => typeof route === 'function'))
  t.equal(new Set(routes).size, routes.length)
})

// Every way to use the table: tables.sessions, tables: { sessions }, const { sessions } = tables, or its name in SQL.
const SESSIONS_TABLE =
  /\btables\.sessions\b|\btables: \{[^}]*\bsessions\b|\{[^{}]*\bsessions\b[^{}]*\} = [^\n]*\btables\b|\b(from|into|update) sessions\b/

const KEPT_TO: { what: string; pattern: RegExp; places: string[] }[] = [
  {
    what: 'the environment',
    pattern: /\bprocess\s*\.\s*env\b|\bprocess\[/,
    places: ['src/config/config.ts', 'src/config/environment.ts'],
  },
  { what: 'the table of sessions', pattern: SESSIONS_TABLE, places: ['src/sessions/'] },
  // The names of columns, from the schema.
  { what: 'SQL from text', pattern: /\bsql\.(raw|identifier)\b/, places: ['src/database/postgres/recorded.ts'] },
]

t.test('the environment, the sessions table and SQL from text are used in named places only', async (t) => {
  const code = files.filter(({ path }) => layerOf(path) !== 'drizzle')
  for (const { what, pattern, places } of KEPT_TO) {
    const found = code.filter(({ text }) => pattern.test(text)).map(({ path }) => path)
    // A place is a file or a folder, and must contain a match.
    t.same(
      found.filter((path) => !places.some((place) => path.startsWith(place))),
      [],
      what,
    )
    for (const place of places)
      t.ok(
        found.some((path) => path.startsWith(place)),
        `${what}: ${place}`,
      )
  }
})

t.test('no source file is longer than the line limit', async (t) => {
  for (const { path, text } of files) {
    const longest = LONGER.includes(path) ? LONGEST_OF_THOSE : LONGEST
    if (layerOf(path) !== 'drizzle') t.ok(text.split('\n').length <= longest, `${path} has at most ${longest} lines`)
  }
})

/** The imports of a file from a higher layer. */
function upward({ path, imports }: Source): string[] {
  const height = (file: string) => LAYERS.indexOf(layerOf(file))
  return imports.filter((imported) => height(imported) > height(path))
}
