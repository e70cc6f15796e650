// On SQLite alone: no database.

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'

const DOCUMENTS = ['openapi.json', 'openapi-3.0.json', 'openapi-compat.json']
const DEADLINE_MS = 60_000
/** Disables telemetry and the check for updates. */
const QUIET = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', SCARF_ANALYTICS: 'false' }
/** The rules that test/support/document-rules.ts leaves to Redocly and Spectral. */
const SEEN_BY_REDOCLY = [
  ...['operation-singular-tag', 'operation-tag-defined', 'operation-description', 'operation-summary'],
  ...['operation-operationId-unique', 'operation-2xx-response', 'operation-4xx-response', 'parameter-description'],
  ...['tag-description', 'no-invalid-schema-examples'],
]
const SEEN_BY_SPECTRAL = [
  ...['operation-operationId-unique', 'operation-tags', 'operation-tag-defined', 'operation-description'],
]

// On a busy machine these take longer than tap's half minute.
t.setTimeout(180_000)

t.test('Redocly reports nothing but the places that .redocly.lint-ignore.yaml names', async (t) => {
  const { status, output } = await run('redocly', 'lint')
  t.equal(status, 0, output)
  for (const name of DOCUMENTS) t.match(output, `${name}: validated`)
  t.match(output, /Your API descriptions are valid/)
  t.notMatch(output, /^ +\d+:\d+ +warning/m)
  // Five for each of the three OAuth endpoints in each OpenAPI version, and one for the greeting.
  t.match(output, /\n *31 problems are explicitly ignored/)
})

t.test('Spectral reports nothing, not even a hint', async (t) => {
  const { status, output } = await run('spectral', 'lint', ...DOCUMENTS, '--fail-severity=hint')
  t.equal(status, 0, output)
  t.match(output, /No results with a severity of 'hint' or higher found/)
})

t.test('each document is valid for the OpenAPI version that it declares', async (t) => {
  for (const name of DOCUMENTS) {
    const { valid, errors } = await new Validator().validate(await read(name))
    t.ok(valid, `${name}: ${JSON.stringify(errors)}`)
  }
})

t.test('the linters report the flaws of a broken document', async (t) => {
  const document = await read('openapi.json')
  const { get, post } = document.paths['/v1/todos'] ?? {}
  if (get === undefined || post === undefined) throw new Error('no /v1/todos')
  get.tags = ['todos', 'nowhere']
  get.description = ''
  post.operationId = get.operationId
  post.summary = ''
  post.tags = []
  post.responses = {}
  delete get.parameters[0]?.description
  document.tags.push({ name: 'nowhere else' })
  document.components.schemas.Todo.examples = [{ id: 'one' }]
  const path = join(await temporaryFolder(t), 'openapi.json')
  await writeFile(path, JSON.stringify(document))

  const redocly = await run('redocly', 'lint', path, `--config=${join(packageRoot, 'redocly.yaml')}`)
  t.equal(redocly.status, 1)
  for (const rule of SEEN_BY_REDOCLY) t.match(redocly.output, rule)

  const spectral = await run('spectral', 'lint', path, '--fail-severity=hint', '--ruleset=.spectral.yaml')
  t.equal(spectral.status, 1)
  for (const rule of SEEN_BY_SPECTRAL) t.match(spectral.output, rule)

  const { valid } = await new Validator().validate({ ...document, info: {} })
  t.notOk(valid)
})

interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description: string
  parameters: { description?: string }[]
  responses: object
}
type Document = Record<string, unknown> & {
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { examples?: unknown[] }> & { Todo: { examples?: unknown[] } } }
}

async function read(name: string): Promise<Document> {
  return JSON.parse(await readFile(join(packageRoot, name), 'utf8'))
}

function run(command: string, ...args: string[]): Promise<{ status: number | null; output: string }> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1', ...QUIET }
  return new Promise((resolve) => {
    const child = execFile(
      join(packageRoot, 'test', 'node_modules', '.bin', command),
      args,
      { cwd: packageRoot, env, timeout: DEADLINE_MS },
      (_error, stdout, stderr) => resolve({ status: child.exitCode, output: stdout + stderr }),
    )
  })
}
