import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { packageRoot } from '../src/package.js'

/**
 * The folders of the service, bottom up: a folder imports only from folders earlier in this list. `src` stands for the
 * files directly in src/, which every folder may import. A file that is listed by name is above its folder.
 */
export const LAYERS = [
  'drizzle',
  'src',
  'src/config',
  'src/telemetry',
  'src/http',
  'src/database',
  'src/passwords',
  'src/audit',
  'src/tokens',
  'src/factors',
  'src/sessions',
  'src/clients',
  'src/oauth',
  'src/accounts',
  'src/mail',
  'src/pages',
  'src/api',
  'src/compat',
  'plugins',
  'routes',
  'src/domain.ts',
  'src/routes.ts',
  'src/app.ts',
  'src/server.ts',
  'src/import',
  'src/commands',
  'src/command-line.ts',
  'src/cli.ts',
] as const

export type Layer = (typeof LAYERS)[number]

/** The parts of the project whose files import each other. */
export const SERVICE = ['drizzle', 'src', 'plugins', 'routes']
export const TOOLS = ['bench', 'test', 'scripts']

/** Created and removed by a test. */
const GENERATED = 'test/.generated'

export interface Source {
  /** Relative to the root. */
  path: string
  text: string
  /** The files of this project that the file imports, types and dynamic imports included, relative to the root. */
  imports: string[]
}

/** The TypeScript files of these folders, in the order of their paths. */
export function readSources(folders: readonly string[]): Source[] {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  return paths
    .filter((path) => path.endsWith('.ts') && !/(^|\/)node_modules\//.test(path) && !path.startsWith(GENERATED))
    .sort()
    .map((path) => {
      const text = readFileSync(join(packageRoot, path), 'utf8')
      return { path, text, imports: importsOf(path, text) }
    })
}

function importsOf(path: string, text: string): string[] {
  const names = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
  const paths = names
    .filter((name) => name.startsWith('.'))
    .map((name) => relative('.', join(dirname(path), name.replace(/\.js$/, '.ts'))))
  return [...new Set(paths)].filter((imported) => !imported.startsWith(GENERATED))
}

/** The layer of a file: the longest entry that its path begins with. @throws Error without such an entry */
export function layerOf(path: string): Layer {
  const layers = LAYERS.filter((layer) => path === layer || path.startsWith(`${layer}/`))
  const layer = layers.sort((one, other) => other.length - one.length)[0]
  if (layer === undefined) throw new Error(`${path} is in no folder of LAYERS`)
  // `src` stands for files, not for folders below it.
  const isLost = layer === 'src' && path.split('/').length > 2
  if (isLost) throw new Error(`${dirname(path)} has no place among LAYERS`)
  return layer
}

/** A cycle of files that import each other, in order; undefined if there is none. */
export function circleOf(sources: readonly Source[]): string[] | undefined {
  const imports = new Map(sources.map(({ path, imports }) => [path, imports]))
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path]
    if (done.has(path)) return undefined
    for (const imported of imports.get(path) ?? []) {
      const circle = visit(imported, [...way, path])
      if (circle !== undefined) return circle
    }
    done.add(path)
    return undefined
  }
  for (const path of imports.keys()) {
    const circle = visit(path, [])
    if (circle !== undefined) return circle
  }
  return undefined
}

/** The files that assemble the service are drawn as one box. */
const FRAME = 'server, app, domain, routes.ts'

/**
 * The folders and their imports, as a Mermaid flowchart from the top down. An import that others imply (a from b, b
 * from c, and so a from c) is left out. So is `src`, which every folder may import.
 */
export function drawing(sources: readonly Source[]): string {
  const folders = LAYERS.map(boxOf).filter((box, index, all) => box !== 'src' && all.indexOf(box) === index)
  const below = new Map(folders.map((box) => [box, new Set<string>()]))
  for (const { path, imports } of sources) {
    const box = boxOf(layerOf(path))
    for (const other of imports.map((imported) => boxOf(layerOf(imported)))) {
      if (other !== box && other !== 'src') below.get(box)?.add(other)
    }
  }
  // Routes are found in their folder, not imported.
  below.get(FRAME)?.add('routes')
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    [...(below.get(from) ?? [])].some((next) => {
      if (next === to) return true
      if (seen.has(next)) return false
      seen.add(next)
      return reaches(next, to, seen)
    })
  const name = (box: string) => `f${folders.indexOf(box)}`
  const arrows = folders.flatMap((box) => {
    const direct = [...(below.get(box) ?? [])]
    const needed = direct.filter((to) => !direct.some((other) => other !== to && other !== box && reaches(other, to)))
    return needed
      .sort((one, other) => folders.indexOf(other) - folders.indexOf(one))
      .map((to) => `  ${name(box)} --> ${name(to)}`)
  })
  const boxes = folders.map((box) => `  ${name(box)}["${box}"]`)
  return ['```mermaid', 'flowchart TD', ...boxes.reverse(), ...arrows.reverse(), '```'].join('\n')
}

function boxOf(layer: Layer): string {
  return /^src\/(?!cli).*\.ts$/.test(layer) ? FRAME : layer
}
