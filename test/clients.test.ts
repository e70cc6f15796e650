import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../src/package.js'
import { startListening } from './listening.js'

// Three clients, generated from openapi.json as it stands in the repository, compiled strictly, and run.

const GENERATED = join(packageRoot, 'test', '.generated')
const CLIENTS = join(packageRoot, 'test', 'clients')
const DOCUMENT = join(packageRoot, 'openapi.json')
const DEADLINE_MS = 120_000

// On a busy machine these take longer than tap's half minute.
t.setTimeout(180_000)

t.before(async () => {
  await rm(GENERATED, { recursive: true, force: true })
  await mkdir(GENERATED)
  await Promise.all([
    run('openapi-typescript', DOCUMENT, '-o', 'openapi-typescript.ts'),
    run('openapi-ts', '-i', DOCUMENT, '-o', 'hey-api', '-c', '@hey-api/client-fetch'),
    run('orval', '--config', join(CLIENTS, 'orval.config.ts')),
  ])
})

t.test('all of them compile under tsc --strict, together with what uses them', async (t) => {
  await t.resolves(run('tsc', '-p', CLIENTS))
})

for (const name of ['openapi-fetch', 'hey-api', 'orval']) {
  t.test(`${name} goes the whole walk`, async (t) => {
    const { service, address, fetch } = await startListening(t)
    const { walk } = await import(join(CLIENTS, `${name}.js`))
    await t.resolves(walk(address, fetch))
    t.ok(service.contract.checked > 30, `${service.contract.checked} answers were held against the document`)
  })
}

/** In the folder of what is generated: at the root, openapi-typescript takes redocly.yaml for its own settings. */
async function run(command: string, ...args: string[]): Promise<void> {
  const bin = join(packageRoot, 'node_modules', '.bin', command)
  const env = { ...process.env, SCARF_ANALYTICS: 'false' }
  await promisify(execFile)(bin, args, { cwd: GENERATED, env, timeout: DEADLINE_MS }).catch((error) => {
    throw new Error(`${command}: ${error.stdout}${error.stderr}`)
  })
}
