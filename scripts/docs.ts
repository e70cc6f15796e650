import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exampleEnvironment } from '../src/commands/config.js'
import { documents, printed } from '../src/commands/openapi.js'
import { Settings } from '../src/config/settings.js'
import { packageRoot } from '../src/package.js'
import { PROBLEMS } from '../src/problems.js'
import { drawing, readSources, SERVICE } from './architecture.js'

// Generates the parts of the documents that come from the code; a test checks that they are up to date. `npm run docs`
// writes all of them, `npm run openapi` only the OpenAPI documents.

const METHODS = ['get', 'post', 'put', 'patch', 'delete']

/** Every generated file with its current text. */
export async function generatedDocuments(): Promise<{ path: string; text: string }[]> {
  const { openapi, openapi30, openapiCompat } = await documents()
  const v1 = openapi as unknown as Document
  return [
    { path: join(packageRoot, '.env.example'), text: exampleEnvironment() },
    { path: join(packageRoot, 'openapi.json'), text: printed(openapi) },
    { path: join(packageRoot, 'openapi-3.0.json'), text: printed(openapi30) },
    { path: join(packageRoot, 'openapi-compat.json'), text: printed(openapiCompat) },
    await page('architecture.md', 'drawing', () => drawing(readSources(SERVICE))),
    await page('api.md', 'endpoints', () => endpointsTable(v1)),
    await page('settings.md', 'settings', settingsTable),
    await page('errors.md', 'problems', problemsTable),
    await page('ko/api.md', 'endpoints', (text) => koreanEndpoints(v1, text)),
    await page('ko/settings.md', 'settings', koreanSettings),
  ]
}

/** A page of docs/ with one section generated again. Translations in the existing section are kept. */
async function page(name: string, section: string, make: (text: string) => string) {
  const path = join(packageRoot, 'docs', name)
  const text = await readFile(path, 'utf8')
  return { path, text: replaceSection(text, section, make(text)) }
}

interface Operation {
  operationId: string
  summary: string
  tags?: string[]
  security?: unknown[]
}

interface Document {
  paths: Record<string, Record<string, Operation>>
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
      const who = operation.security?.length === 0 ? 'public' : isForAdmins(operation) ? 'admins' : 'with a token'
      return [`\`${method.toUpperCase()} ${path}\` | ${operation.operationId} | ${who} | ${operation.summary}`]
    }),
  )
  return ['endpoint | operationId | access | summary', '--- | --- | --- | ---', ...rows]
    .map((row) => `| ${row} |`)
    .join('\n')
}

function problemsTable(): string {
  const rows = Object.entries(PROBLEMS).map(([code, { status, title }]) => `\`${code}\` | ${status} | ${title}`)
  return ['code | status | meaning', '--- | ---: | ---', ...rows].map((row) => `| ${row} |`).join('\n')
}

/** The Korean table, with the page's own description of each setting. A new setting gets its English description. */
function koreanSettings(page: string): string {
  const rows = Object.entries(Settings.properties).map(([name, { default: value, bounds, description }]) => {
    const meaning = translationOf(page, name) ?? description ?? ''
    return [`\`${name}\``, value === '' ? '' : `\`${value}\``, koreanBounds(bounds), meaning].join(' | ')
  })
  return ['설정 | 기본값 | 범위 | 뜻', '--- | --- | --- | ---', ...rows].map((row) => `| ${row} |`).join('\n')
}

function koreanBounds(bounds = ''): string {
  return bounds.replace(/^(\S+) to ([^\s,]+)/, '$1~$2').replace(', or ', ' 또는 ')
}

function koreanEndpoints({ paths }: Document, page: string): string {
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    METHODS.flatMap((method) => {
      const operation = operations[method]
      if (operation === undefined) return []
      const name = `${method.toUpperCase()} ${path}`
      const who = operation.security?.length === 0 ? '누구나' : isForAdmins(operation) ? '관리자' : '토큰'
      return [`\`${name}\` | ${who} | ${translationOf(page, name) ?? operation.summary}`]
    }),
  )
  return ['엔드포인트 | 누가 | 하는 일', '--- | --- | ---', ...rows].map((row) => `| ${row} |`).join('\n')
}

function isForAdmins({ tags = [] }: { tags?: string[] }): boolean {
  return tags.includes('admin')
}

/** The last cell of the table row that begins with this name. */
function translationOf(page: string, name: string): string | undefined {
  const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))
  return row?.slice(0, -' |'.length).split(' | ').at(-1)
}

function replaceSection(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}: made by npm run docs -->`, `<!-- /${name} -->`]
  if (!text.includes(start) || !text.includes(end)) throw new Error(`a page has no section ${name}`)
  return `${text.slice(0, text.indexOf(start) + start.length)}\n${content}\n${text.slice(text.indexOf(end))}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , prefix = ''] = process.argv
  for (const { path, text } of await generatedDocuments()) {
    if (basename(path).startsWith(prefix)) await writeFile(path, text)
  }
}
