import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exampleEnvironment } from '../src/commands/config.js'
import { documents, printed } from '../src/commands/openapi.js'
import { Settings } from '../src/config.js'
import { packageRoot } from '../src/package.js'

// The parts of the documents that are made from the code; a test holds them fresh. `npm run docs` writes all of them,
// `npm run openapi` those that clients are generated from.

const METHODS = ['get', 'post', 'put', 'patch', 'delete']

/** Every generated file with the text it should have. */
export async function generatedDocuments(): Promise<{ path: string; text: string }[]> {
  const readme = join(packageRoot, 'README.md')
  const { openapi, openapi30, openapiCompat } = await documents()
  const withSettings = replaceSection(await readFile(readme, 'utf8'), 'settings', settingsTable())
  return [
    { path: join(packageRoot, '.env.example'), text: exampleEnvironment() },
    { path: join(packageRoot, 'openapi.json'), text: printed(openapi) },
    { path: join(packageRoot, 'openapi-3.0.json'), text: printed(openapi30) },
    { path: join(packageRoot, 'openapi-compat.json'), text: printed(openapiCompat) },
    { path: readme, text: replaceSection(withSettings, 'endpoints', endpointsTable(openapi as unknown as Document)) },
  ]
}

interface Document {
  paths: Record<string, Record<string, { operationId: string; summary: string; security?: unknown[] }>>
}

function settingsTable(): string {
  const rows = Object.entries(Settings.properties).map(([name, { default: value, bounds, description }]) =>
    [`\`${name}\``, value === '' ? '' : `\`${value}\``, bounds ?? '', description ?? ''].join(' | '),
  )
  return ['setting | default | bounds | meaning', '--- | --- | --- | ---', ...rows]
    .map((row) => `| ${row} |`)
    .join('\n')
}

function endpointsTable({ paths }: Document): string {
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    METHODS.flatMap((method) => {
      const operation = operations[method]
      if (operation === undefined) return []
      const who = operation.security?.length === 0 ? 'everybody' : 'with a token'
      return [`\`${method.toUpperCase()} ${path}\` | ${operation.operationId} | ${who} | ${operation.summary}`]
    }),
  )
  return ['endpoint | operationId | who | what', '--- | --- | --- | ---', ...rows].map((row) => `| ${row} |`).join('\n')
}

function replaceSection(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}: made by npm run docs -->`, `<!-- /${name} -->`]
  if (!text.includes(start) || !text.includes(end)) throw new Error(`README.md has no section ${name}`)
  return `${text.slice(0, text.indexOf(start) + start.length)}\n${content}\n${text.slice(text.indexOf(end))}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , prefix = ''] = process.argv
  for (const { path, text } of await generatedDocuments()) {
    if (basename(path).startsWith(prefix)) await writeFile(path, text)
  }
}
