// On SQLite alone: generated clients do not depend on the database.

import { execFile } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../src/package.js'
import { type Child, serving } from '../support/child.js'
import { openForge, token } from '../support/forge.js'
import { startListening } from '../support/listening.js'

// Generates three clients from openapi.json in the repository, compiles them with strict settings, and runs them.

const GENERATED = join(packageRoot, 'test', '.generated')
const CLIENTS = join(packageRoot, 'test', 'clients')
const DOCUMENT = join(packageRoot, 'openapi.json')
const NAMES = ['openapi-fetch', 'hey-api', 'orval']
const DEADLINE_MS = 120_000

// On a busy machine these take longer than tap's half minute.
t.setTimeout(400_000)

/** The built service, as it is shipped. */
let built: Child

t.before(async () => {
  built = await serving(t)
  await rm(GENERATED, { recursive: true, force: true })
  await mkdir(GENERATED)
  await Promise.all([
    run('openapi-typescript', DOCUMENT, '-o', 'openapi-typescript.ts'),
    run('openapi-ts', '-i', DOCUMENT, '-o', 'hey-api', '-c', '@hey-api/client-fetch'),
    run('orval', '--config', join(CLIENTS, 'orval.config.ts')),
  ])
})

t.test('the generated clients compile under tsc --strict, together with the code that uses them', async (t) => {
  await t.resolves(run('tsc', '-p', CLIENTS))
})

for (const name of NAMES) {
  t.test(`the client that ${name} generates runs the whole walkthrough`, async (t) => {
    const { service, address, fetch } = await startListening(t)
    const { secondFactor, walk } = await import(join(GENERATED, 'compiled', 'clients', `${name}.js`))
    await t.resolves(walk(address, fetch))
    t.ok(service.contract.checked > 30, `${service.contract.checked} answers were held against the document`)
    await t.resolves(walk(built.address, globalThis.fetch), 'against the built service')
    await t.resolves(
      secondFactor(address, fetch),
      'a second factor: its ticket and its methods are read without a cast',
    )
  })
}

t.test('each generated client renews its tokens with examples/refreshing-fetch', async (t) => {
  const { refreshingFetch } = await import(join(packageRoot, 'examples/refreshing-fetch/refreshing-fetch.js'))
  const { service, address } = await startListening(t)
  for (const name of NAMES) {
    const person = await service.signUp(`${name}-user`)
    const expired = token(await openForge(service, person), { iat: 1, exp: 2 })
    const login = { ...person.login, access_token: expired }
    let tokens: object = login
    const set = (next: object) => {
      tokens = next
    }
    const fetch = refreshingFetch(address, { get: () => tokens, set })
    const { whoAmI } = await import(join(GENERATED, 'compiled', 'clients', `${name}.js`))
    t.equal(await whoAmI(address, fetch), `${name}-user`, name)
    t.not(tokens, login, `${name} stores the new tokens`)
  }
})

t.test('docs/clients.md shows the code that these tests run, and the versions they run with', async (t) => {
  const page = await readFile(join(packageRoot, 'docs', 'clients.md'), 'utf8')
  const { dependencies } = JSON.parse(await readFile(join(packageRoot, 'test', 'package.json'), 'utf8'))
  const versions = [...page.matchAll(/(?:npx|npm install) (\S+)@([\d.]+)/g)]
  t.equal(versions.length, 4)
  for (const [, name = '', version] of versions) t.equal(version, dependencies[name], name)

  const examples = [...page.matchAll(/^```ts\n(.*?)^```/gms)].map(([, example = '']) => linesOf(example))
  t.equal(examples.length, NAMES.length)
  for (const [index, name] of NAMES.entries()) {
    const lines = linesOf(await readFile(join(CLIENTS, `${name}.ts`), 'utf8'))
    const others = examples[index]?.filter((line) => !lines.includes(line))
    t.same(others, [], `each line stands in test/clients/${name}.ts`)
  }
})

/** The lines of code without indentation, and with the same name for every folder of generated code. */
function linesOf(code: string): string[] {
  return code
    .split('\n')
    .map((line) =>
      line.trim().replace(/from '\..*\/(latchkey|hey-api|openapi-typescript|orval)(?=[./])/, "from './latchkey"),
    )
    .filter((line) => line !== '')
}

/**
 * Runs in the folder of generated code: at the root, openapi-typescript would read redocly.yaml as its own settings.
 */
async function run(command: string, ...args: string[]): Promise<void> {
  const bin = join(packageRoot, 'test', 'node_modules', '.bin', command)
  const env = { ...process.env, SCARF_ANALYTICS: 'false' }
  await promisify(execFile)(bin, args, { cwd: GENERATED, env, timeout: DEADLINE_MS }).catch((error) => {
    throw new Error(`${command}: ${error.stdout}${error.stderr}`)
  })
}
