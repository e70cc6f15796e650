// On SQLite alone: the commands run on a SQLite file.

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { packageRoot, version } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'
import { latchkey, nodeProcess, serving } from '../support/child.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const SECRET = 'qM3v0zJ1Xy7Rk5wT9cLbN2sHdF8gPaUe'
/** Some of the ports that the Fetch standard blocks. */
const BLOCKED_PORTS = ['6000', '6566', '6665', '6666', '6667', '6668', '6669', '6697', '10080']

t.test('commands end with the right exit code, and write to the right stream', async (t) => {
  const wrong = { PORT: 'x', DOCS: 'maybe', SECRET_KEY: 'super-secret-key', TRUST_PROXY: 'true' }
  const allWrong = /PORT[\s\S]*SECRET_KEY[\s\S]*DOCS[\s\S]*TRUST_PROXY/
  const cases: { args: string[]; settings?: Record<string, string>; exit: number; stdout: RegExp; stderr: RegExp }[] = [
    { args: ['--help'], exit: 0, stdout: /Usage: latchkey <command>[\s\S]*healthcheck/, stderr: /^$/ },
    { args: ['--version'], exit: 0, stdout: new RegExp(`^${version}\n$`), stderr: /^$/ },
    { args: ['serve', '--help'], exit: 0, stdout: /Usage: latchkey serve/, stderr: /^$/ },
    { args: ['teapot'], exit: 64, stdout: /^$/, stderr: /no command "teapot"[\s\S]*Usage/ },
    { args: ['constructor'], exit: 64, stdout: /^$/, stderr: /no command "constructor"/ },
    { args: ['serve', '--teapot'], exit: 64, stdout: /^$/, stderr: /--teapot/ },
    { args: ['serve'], settings: wrong, exit: 78, stdout: /^$/, stderr: allWrong },
    { args: ['config'], settings: wrong, exit: 78, stdout: /^$/, stderr: allWrong },
    { args: ['config', '--example'], settings: wrong, exit: 0, stdout: /# PORT=3000/, stderr: /^$/ },
    { args: ['healthcheck'], settings: { PORT: 'x' }, exit: 78, stdout: /^$/, stderr: /PORT/ },
    { args: ['help', 'users', 'keys'], exit: 64, stdout: /^$/, stderr: /unexpected argument "keys"/ },
    { args: ['backup', ''], exit: 64, stdout: /^$/, stderr: /latchkey backup <file>/ },
    { args: ['keys', 'retire', '--kid', '-a'], exit: 64, stdout: /^$/, stderr: /ambiguous\. .*'--kid=-XYZ'/ },
    { args: ['users', 'set-role', 'ada'], exit: 64, stdout: /^$/, stderr: /must be user or admin/ },
    { args: ['users', 'set-role', 'ada', 'root'], settings: wrong, exit: 64, stdout: /^$/, stderr: /user or admin/ },
    { args: ['users', 'set-roles', 'ada', 'a b'], settings: wrong, exit: 64, stdout: /^$/, stderr: /32 words/ },
  ]
  await Promise.all(
    cases.map(async ({ args, settings = {}, exit, stdout, stderr }) => {
      const name = `latchkey ${args.join(' ')}`
      const child = await latchkey(t, args, { settings })
      t.equal(await child.exit, exit, name)
      t.match(child.stdout, stdout, name)
      t.match(child.stderr, stderr, name)
      t.notMatch(child.stderr, /\n {4}at /, `${name}: no stack trace`)
      t.same(await readdir(child.folder), [], `${name}: no file is made`)
    }),
  )
})

t.test('latchkey config shows the settings in force, and never the secret', async (t) => {
  const file = join(await temporaryFolder(t), 'secret')
  await writeFile(file, `${SECRET}\n`, { mode: 0o600 })
  for (const secret of [{ SECRET_KEY: SECRET }, { SECRET_KEY: `${SECRET},${SECRET}x` }, { SECRET_KEY_FILE: file }]) {
    const child = await latchkey(t, ['config'], { settings: { PORT: '8080', ...secret } })
    t.equal(await child.exit, 0)
    t.match(child.stdout, /^PORT=8080$/m)
    t.match(child.stdout, /^SECRET_KEY=\*+$/m)
    t.notMatch(child.stdout + child.stderr, SECRET)
  }
})

t.test('healthcheck reports whether the service of this machine is ready', async (t) => {
  const service = await serving(t)
  const settings = { PORT: String(service.port), SECRET_KEY: 'not even looked at' }
  const up = await latchkey(t, ['healthcheck'], { settings })
  t.equal(await up.exit, 0)
  t.match(up.stdout, /"status":"ok"/)
  service.signal('SIGTERM')
  await service.exit
  const down = await latchkey(t, ['healthcheck'], { settings })
  t.equal(await down.exit, 1)
  t.match(down.stdout, `No answer from http://localhost:${service.port}/readyz`)
})

t.test('healthcheck asks on a port that browsers and fetch refuse', async (t) => {
  const [PORT = ''] = (
    await Promise.all(BLOCKED_PORTS.map(async (port) => ((await isFree(port)) ? [port] : [])))
  ).flat()
  await t.rejects(fetch(`http://127.0.0.1:${PORT}`), { cause: { message: 'bad port' } })
  const none = await latchkey(t, ['healthcheck'], { settings: { PORT } })
  t.equal(await none.exit, 1)
  t.match(none.stdout, 'ECONNREFUSED', 'the reason is named')
  await serving(t, { settings: { PORT } })
  const up = await latchkey(t, ['healthcheck'], { settings: { PORT } })
  t.equal(await up.exit, 0, up.stdout)
})

t.test('healthcheck fails while the service drains', async (t) => {
  const service = await serving(t, { settings: { DRAIN_DELAY: '1m' } })
  service.signal('SIGTERM')
  await service.says(/"msg":"stopping"/)
  const child = await latchkey(t, ['healthcheck'], { settings: { PORT: String(service.port) } })
  t.equal(await child.exit, 1)
  t.match(child.stdout, 'not_ready')
})

t.test('a start that cannot succeed ends with a message, not with a stack trace', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const { port } = taken.address() as { port: number }
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'empty.db'), '')
  const cases = [
    { settings: { PORT: String(port) }, says: /EADDRINUSE/ },
    { settings: { DATABASE_URL: `sqlite:${join(folder, 'empty.db')}` }, says: /empty\.db is empty/ },
    { settings: { DATABASE_URL: `sqlite:${folder}` }, says: /cannot be opened/ },
    { settings: { MIGRATE_ON_START: 'off' }, says: /latchkey migrate/ },
  ]
  for (const { settings, says } of cases) {
    const child = await latchkey(t, ['serve'], { settings: { PORT: '0', BCRYPT_COST: '10', ...settings } })
    t.equal(await child.exit, 1, JSON.stringify(settings))
    t.match(child.stderr, says)
    t.notMatch(child.stderr, /\n {4}at /, 'no stack trace')
    t.notMatch(child.stderr, /listens on/)
  }
  t.equal(await readFile(join(folder, 'empty.db'), 'utf8'), '')
})

t.test('migrate creates the database, and a second run is no error', async (t) => {
  const first = await latchkey(t, ['migrate'])
  t.equal(await first.exit, 0)
  t.match(first.stdout, /up to date/)
  t.equal(await (await latchkey(t, ['migrate'], { folder: first.folder })).exit, 0)
  const service = await serving(t, { folder: first.folder, settings: { MIGRATE_ON_START: 'off' } })
  t.equal((await service.request('GET', '/readyz')).status, 200)
})

t.test('processes that start at the same moment on a new database file all succeed', async (t) => {
  const folder = await temporaryFolder(t)
  const built = (name: string) => JSON.stringify(pathToFileURL(join(packageRoot, 'dist-test', 'src', name)).href)
  const startAt = Date.now() + 2_000
  // The processes load everything first, so that they open each file at the same moment. Several rounds make a
  // collision certain.
  const program = `
    const { openDatabase } = await import(${built('database/open.js')})
    const open = async (name) => (await openDatabase('sqlite:data/' + name, { migrate: true })).close()
    await open(process.pid + '.db')
    for (let round = 1; round <= 8; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, ${startAt} + round * 200 - Date.now()))
      await open(round + '.db')
    }`
  const all = [1, 2, 3, 4].map(() => nodeProcess(t, ['--input-type=module', '--eval', program], { folder }))
  for (const child of await Promise.all(all)) {
    const exit = await child.exit
    t.equal(exit, 0, child.stderr)
  }
})

async function isFree(port: string): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(Number(port), '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
