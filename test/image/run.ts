import { existsSync } from 'node:fs'
import { chmod, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { PASSWORD, temporaryFolder } from '../helper.js'
import { Child } from '../support/child.js'
import { until } from '../support/replica.js'
import { readDockerfile } from './dockerfile.js'
import { Rehearsal, reasonNotToRehearse } from './rehearsal.js'

// npm run test:image runs the steps of the Dockerfile, and then the image as a container would. It needs no container
// engine, but root on Linux, and the registry for Node 24 and the packages.

t.setTimeout(300_000)

/** Prevents 503 on a busy machine. */
const FOR_BUSY_MACHINES = { BCRYPT_COST: '10', MAX_EVENT_LOOP_DELAY: 'off' }
const SETTINGS = { HOST: '127.0.0.1', PORT: '0', DRAIN_DELAY: '1s', ...FOR_BUSY_MACHINES }
const MEGABYTE = 1024

t.test('the image', { skip: (await reasonNotToRehearse()) ?? false }, async (t) => {
  const startedAt = performance.now()
  const image = await Rehearsal.build(await readDockerfile(), await openFolder(t))
  t.comment(`built in ${Math.round((performance.now() - startedAt) / 1000)} s`)

  t.test('the image holds only the files that the service needs', async (t) => {
    const files = await readdir(image.path('/app'), { recursive: true })
    t.comment(`${files.length} files`)
    const foreign =
      /(^|\/)(\.git|\.env|\.npmrc|test|tests|__tests__|bench)(\/|$)|\.(map|mts|cts|ts|tsbuildinfo|db|secret)$/
    t.same(
      files.filter((file) => foreign.test(file)),
      [],
    )
    t.same((await readdir(image.path('/app'))).sort(), ['LICENSE', 'dist', 'drizzle', 'node_modules', 'package.json'])
    t.same(await readdir(image.path('/usr/local/bin')), ['latchkey', 'node'])
  })

  t.test('the image has the production packages of the lock file, in the locked versions', async (t) => {
    const { packages } = JSON.parse(await readFile(join(packageRoot, 'package-lock.json'), 'utf8'))
    const manifests = (await readdir(image.path('/app/node_modules'), { recursive: true })).filter((file) =>
      /(^|\/node_modules\/)(@[^/]+\/)?[^/@]+\/package\.json$/.test(file),
    )
    t.ok(manifests.length > 50)
    for (const file of manifests) {
      const locked = packages[`node_modules/${file.replace(/\/package\.json$/, '')}`]
      const { version } = JSON.parse(await readFile(image.path(`/app/node_modules/${file}`), 'utf8'))
      t.same({ version, dev: locked?.dev }, { version: locked?.version, dev: undefined }, file)
    }
  })

  t.test('the service runs as process 1 and user 10001, writes only to /data, and is healthy', async (t) => {
    const service = await start(t, image)
    t.comment(`ready ${service.readyAfterMs} ms after the start`)
    const status = await readFile(`/proc/${service.first}/status`, 'utf8')
    t.match(status, /^NSpid:\t\d+\t1$/m)
    t.match(status, /^Uid:\t10001\t10001\t10001\t10001$/m)
    t.match(status, /^CapEff:\t0000000000000000$/m)
    t.match(status, /^NoNewPrivs:\t1$/m)
    t.match(service.log[0], { pid: 1 })

    const healthcheck = await inside(t, image, ['latchkey', 'healthcheck'], { PORT: String(service.port) })
    t.same([healthcheck.stdout, await healthcheck.exit], ['{"status":"ok"}\n', 0])
    const mina = await service.signUp('mina')
    const joon = await service.signUp('joon')
    const todo = await service.request('POST', '/v1/todos', { token: mina, body: { title: 'Water the plants' } })
    t.equal(todo.status, 201)
    t.equal((await service.request('GET', `/v1/todos/${todo.body.id}`, { token: joon })).status, 404)
    t.comment(`resident after that: ${residentMegabytes(await readFile(`/proc/${service.first}/status`, 'utf8'))} MB`)

    const writes = ['/app/x', '/x', '/tmp/x', '/usr/local/x', '/etc/x', '/data/x']
    const script = writes.map((path) => `(echo > ${path}) 2>/dev/null && echo ${path}`).join('; ')
    const shell = await inside(t, image, ['sh', '-c', script])
    await shell.exit
    t.equal(shell.stdout, '/data/x\n')

    service.signal('SIGTERM')
    await service.says(/"msg":"stopping"/)
    const unready = await inside(t, image, ['latchkey', 'healthcheck'], { PORT: String(service.port) })
    t.equal(await unready.exit, 1)
    t.equal(await service.exit, 0)
    t.same((await readdir(image.path('/data'))).sort(), ['latchkey.db', 'latchkey.db.secret', 'x'])
  })

  t.test('a second container on the same volume has the accounts of the first', async (t) => {
    const service = await start(t, image)
    const login = { username: 'mina', password: PASSWORD }
    t.equal((await service.request('POST', '/v1/login', { body: login })).status, 200)
    service.signal('SIGTERM')
    await service.says(/"msg":"stopping"/)
    service.signal('SIGTERM')
    t.not(await service.exit, 0, 'a second signal ends the process at once')
  })

  t.test('SIGTERM ends the container while it starts, although process 1 has no default handlers', async (t) => {
    const container = new Container(image.spawn(image.command, SETTINGS), image.folder)
    t.teardown(() => container.end())
    await container.find()
    // Process 1 ignores SIGTERM until Node runs its first file, so the signal is repeated until the process is gone.
    const asking = setInterval(() => existsSync(`/proc/${container.first}/ns`) && container.signal('SIGTERM'), 20)
    t.teardown(() => clearInterval(asking))
    t.equal(await container.exit, 128 + 15)
    t.notMatch(container.stderr, 'listens on')
  })

  t.test('the command latchkey of the image is the bin of the package', async (t) => {
    const child = await inside(t, image, ['latchkey', '--version'])
    t.same([await child.exit, child.stdout], [0, `${(await manifest()).version}\n`])
    const cli = join('/app', (await manifest()).bin.latchkey)
    t.equal(await readFile(image.path(cli), 'utf8'), await readFile(join(packageRoot, 'dist/src/cli.js'), 'utf8'))
  })
})

class Container extends Child {
  /** The pid of the container's process 1, as seen from outside. */
  first = 0
  readyAfterMs = 0

  /** Finds the container's process 1. */
  async find(): Promise<void> {
    await until(async () => {
      const children = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8')
      this.first = Number(children.split(' ')[0])
      return this.first > 0
    })
  }

  // When process 1 ends, the kernel kills all others. Process 1 survives the test, because it runs as another user.
  override async end(): Promise<void> {
    if (existsSync(`/proc/${this.pid}/ns`)) await this.find().then(() => this.signal('SIGKILL'))
    await this.exit
  }

  /** Signals process 1 of the container, as an engine does. */
  override signal(signal: NodeJS.Signals): void {
    process.kill(this.first, signal)
  }

  async signUp(username: string): Promise<string> {
    const { status, body } = await this.request('POST', '/v1/register', { body: { username, password: PASSWORD } })
    if (status !== 201) throw new Error(`register: ${status} ${body.code}`)
    return body.access_token
  }
}

async function start(t: Test, image: Rehearsal): Promise<Container> {
  const startedAt = performance.now()
  const container = new Container(image.spawn(image.command, SETTINGS), image.folder)
  t.teardown(() => container.end())
  await container.says(/Latchkey listens on/)
  await until(async () => (await container.request('GET', '/readyz')).status === 200)
  container.readyAfterMs = Math.round(performance.now() - startedAt)
  await container.find()
  return container
}

/** Runs another command in the same image, on the same volume. */
async function inside(t: Test, image: Rehearsal, command: string[], settings: Record<string, string> = {}) {
  const container = new Container(image.spawn(command, settings), image.folder)
  t.teardown(() => container.end())
  await container.exit
  return container
}

async function openFolder(t: Test): Promise<string> {
  const folder = await temporaryFolder(t)
  // The container's user needs access to the folder.
  await chmod(folder, 0o755)
  return folder
}

function residentMegabytes(status: string): number {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / MEGABYTE)
}

async function manifest(): Promise<{ version: string; bin: { latchkey: string } }> {
  return JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))
}
