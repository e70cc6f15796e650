import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../app.js'
import { loadConfig } from '../config/config.js'
import { UsageError } from '../usage-error.js'

export const HELP = `Usage: latchkey openapi [--version 3.1|3.0] [--compat] [--json]

Prints the OpenAPI document of the v1 API, in OpenAPI 3.1 or in 3.0.3 for tools that do not read 3.1.

  --compat   print the document of the five tutorial back ends instead, in OpenAPI 3.1
  --json     has no effect: the document is always JSON

Exit codes: 0 done; 64 wrong usage.
`

export const options = {
  version: { type: 'string', default: '3.1' },
  compat: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export async function run({ version, compat }: { version?: string; compat?: boolean }): Promise<void> {
  if (version !== '3.0' && version !== '3.1') throw new UsageError('--version must be 3.1 or 3.0')
  const { openapi, openapi30, openapiCompat } = await documents()
  const document = compat ? openapiCompat : version === '3.0' ? openapi30 : openapi
  process.stdout.write(printed(document))
}

/** A document as text, as printed and as stored in files. */
export function printed(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

/**
 * The OpenAPI documents of this version, built from the routes on an empty database, independent of the environment.
 */
export async function documents() {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-openapi-'))
  const app = await buildApp(loadConfig({ DATABASE_URL: `sqlite:${join(folder, 'empty.db')}`, LOG_LEVEL: 'silent' }))
  try {
    await app.ready()
    return { openapi: app.swagger(), openapi30: app.openapi30(), openapiCompat: app.openapiCompat() }
  } finally {
    await app.close()
    await rm(folder, { recursive: true })
  }
}
