// On SQLite alone: no database.

import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { validate } from 'dockerfile-utils'
import t from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { sqlitePath } from '../../src/config/database-url.js'
import { packageRoot, version } from '../../src/package.js'
import { contextFiles } from './context.js'
import { environmentOf, readDockerfile, type Stage, type Step, stepsOf } from './dockerfile.js'

// Checks the text of the Dockerfile. npm run test:image checks the image.

const text = await readFile(join(packageRoot, 'Dockerfile'), 'utf8')
const stages = await readDockerfile()
const image = stages.at(-1) as Stage
const one = (keyword: string): Step => {
  const steps = stepsOf(image, keyword)
  if (steps.length !== 1) throw new Error(`${steps.length} ${keyword}`)
  return steps[0] as Step
}

t.test('the linter reports nothing for the Dockerfile', async (t) => {
  t.same(validate(text), [])
  t.not(validate(text.replace('ENTRYPOINT ["latchkey"]', 'ENTRYPOINT')).length, 0, 'the linter finds a fault')
})

t.test('every stage has one base image, which the builder of the image can pin', async (t) => {
  t.match(text, /^ARG NODE_IMAGE=node:24-trixie-slim$/m)
  t.equal([...text.matchAll(/^FROM \$\{NODE_IMAGE\}( AS \w+)?$/gm)].length, stages.length)
  for (const { image } of stages) t.equal(image, 'node:24-trixie-slim')
})

t.test('process 1 is the command itself, as a numeric user who is not root', async (t) => {
  const { bin } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))
  t.match(one('ENTRYPOINT'), { isExecForm: true, words: ['latchkey'] })
  t.match(one('CMD'), { isExecForm: true, words: ['serve'] })
  t.match(text, `ln -s /app/${bin.latchkey} /usr/local/bin/latchkey`)
  t.same(one('USER').words, ['10001:10001'])
  t.same(one('VOLUME').words, ['/data'])
  t.match(one('HEALTHCHECK').text, /CMD \["latchkey", "healthcheck"\]$/)
})

t.test('the image sets only settings that exist, with valid values', async (t) => {
  const { NODE_ENV, SQLITE_TMPDIR, ...settings } = environmentOf(image)
  t.equal(SQLITE_TMPDIR, '/data')
  const config = loadConfig(settings)
  t.same(Object.keys(settings).sort(), ['DRAIN_DELAY', 'HOST', 'PORT'], 'no setting that a file may give instead')
  t.match(config, { HOST: '0.0.0.0', PORT: 3000, DRAIN_DELAY: 5_000 })
  const [workingFolder = ''] = stepsOf(image, 'WORKDIR').at(-1)?.words ?? []
  t.equal(resolve(workingFolder, sqlitePath(config.DATABASE_URL)), '/data/latchkey.db', 'the volume has the database')
  t.equal(config.PUBLIC_URL, 'http://localhost:3000', 'an issuer that can be called')
  t.same(one('EXPOSE').words, ['3000'])
})

t.test('packages come from the lock file and run no script, and the Dockerfile names no secret', async (t) => {
  const runs = stages.flatMap((stage) => stepsOf(stage, 'RUN')).map((step) => step.text)
  const installs = runs.filter((run) => /npm (ci|i|install)\b/.test(run))
  t.same(installs, ['npm ci --ignore-scripts'])
  t.ok(runs.some((run) => run.includes('npm prune --omit=dev --ignore-scripts')))
  t.notMatch(text, /curl|wget|apt-get|ADD |SECRET|TOKEN|PASSWORD/)
  for (const step of stages.flatMap((stage) => stepsOf(stage, 'COPY'))) t.notOk(step.words.includes('.'), step.text)
})

t.test('the build context holds the sources and nothing else', async (t) => {
  const files = await contextFiles()
  t.ok(files.includes('src/cli.ts') && files.includes('drizzle/pg/0000_init.sql'))
  const foreign = /^(?!(src|plugins|routes)\/|drizzle\/(schema\.|sqlite\/|pg\/))/
  const rest = ['.npmrc', 'LICENSE', 'esbuild.config.mjs', 'package-lock.json', 'package.json', 'tsconfig.json']
  t.same(
    files.filter((file) => foreign.test(file)),
    rest,
  )
  for (const left of ['.git/', 'node_modules/', 'test/', 'data/', '.env', 'dist/', '_snapshot.json']) {
    t.notOk(
      files.some((file) => file.includes(left)),
      left,
    )
  }
})

t.test('the labels are those of OCI, and the version is that of package.json', async (t) => {
  for (const name of ['title', 'description', 'licenses', 'version', 'revision', 'created']) {
    t.match(text, `org.opencontainers.image.${name}=`)
  }
  t.match(text, `ARG VERSION=${version}\n`)
})
