// On SQLite alone: the starts fail before any query, or run on a SQLite file.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'
import { call } from '../support/calls.js'
import { Child, latchkey, serving } from '../support/child.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const CLI = join(packageRoot, 'dist', 'src', 'cli.js')
const LAST_PORT = 65_535
/** The id of a user who owns no file. */
const NOBODY = 65_534
const OLD_NODE =
  "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'18.20.8'}})"

t.test('a start that fails says what is wrong and what would work', async (t) => {
  const { port, close } = await occupiedPort()
  t.teardown(close)
  const last = createServer()
  t.teardown(() => last.close())
  // Another process may already occupy the port, which serves the test as well.
  await new Promise((resolve) => last.once('error', resolve).listen(LAST_PORT, '127.0.0.1', () => resolve(undefined)))
  const secret = 'a secret that is far too s'
  const cases: [args: string[], settings: Record<string, string>, code: number, says: RegExp][] = [
    [['serve'], { PORT: 'eighty', LOG_LEVEL: 'loud' }, 78, /PORT must be .*, but is "eighty"\n.*LOG_LEVEL .*"loud"/],
    [['serve'], { PORT: String(port) }, 1, new RegExp(`EADDRINUSE.* PORT=${port + 1}`)],
    [['serve'], { PORT: '0', METRICS_PORT: String(port) }, 1, new RegExp(`EADDRINUSE.* METRICS_PORT=${port + 1}`)],
    [['serve'], { PORT: String(LAST_PORT) }, 1, /EADDRINUSE.* PORT=8080\n/],
    // No machine has these addresses: TEST-NET-1 (RFC 5737) and .invalid (RFC 6761).
    [['serve'], { HOST: '192.0.2.1' }, 1, /EADDRNOTAVAIL.*; HOST must be an address of this machine/],
    [['serve'], { HOST: 'host.invalid' }, 1, /getaddrinfo .*host\.invalid; HOST must be an address of this machine/],
    [['serve', '--port', '4000'], {}, 64, /settings are environment variables: PORT=4000 latchkey serve/],
    [['serve', '--verbose'], {}, 64, /no option --verbose; see latchkey serve --help/],
    [['serve'], { DATABASE_URL: 'sqlite::memory:' }, 78, /DATABASE_URL must name a file/],
    [['serve'], { DATABASE_URL: 'sqlite:file:x?mode=memory' }, 78, /DATABASE_URL must name a file/],
    [['serve'], { SECRET_KEY: secret }, 78, /SECRET_KEY must be/],
    [['serve'], { DATABASE_URL: `mysql://root:${secret}@host` }, 78, /DATABASE_URL must be/],
    [['serve'], { PORT: '0', MAIL_TEMPLATES: 'nowhere' }, 78, /MAIL_TEMPLATES must be a folder .*"nowhere" has none/],
    [['openapi', '--version', '2'], {}, 64, /--version must be 3\.1 or 3\.0/],
    [['users', 'list'], {}, 1, /There is no database at \/.*latchkey\.db: check DATABASE_URL/],
    [['users', 'set-role', 'mina', 'admin'], {}, 1, /There is no database at/],
    [['keys', 'rotate'], {}, 1, /There is no database at/],
    [['keys', 'list', '--json'], {}, 1, /There is no database at/],
    [['users', 'delete', 'mina'], {}, 1, /There is no database at/],
    [['backup', 'copy.db'], {}, 1, /no database at/],
    [['copy', '--from', 'sqlite:data/none.db', '--to', 'sqlite:data/new.db'], {}, 1, /There is no database at/],
    [['keys', 'list', '--kid', 'x'], {}, 64, /--kid is an option of latchkey keys retire/],
    [['keys', 'retire'], {}, 64, /missing option --kid/],
    [['keys'], {}, 64, /missing action: latchkey keys list \| rotate/],
    [['healthcheck', 'now'], {}, 64, /Unexpected argument 'now'/],
    [['help', 'teapot'], {}, 64, /no command "teapot"/],
    [
      ['config'],
      { SECRET_KEY: '********' },
      78,
      /SECRET_KEY contains \*{8}, the mask of latchkey config: set the real value/,
    ],
    [['config'], { LEGACY_TOKENS: '********' }, 78, /LEGACY_TOKENS contains \*{8}/],
    [['config'], { DATABASE_URL: 'postgres://a:********@host/db' }, 78, /DATABASE_URL contains \*{8}/],
  ]
  for (const [args, settings, code, says] of cases) {
    const folder = await temporaryFolder(t)
    const isStart = args[0] === 'serve'
    const ended = isStart ? await ending(t, args, settings) : await call(args, { settings, folder })
    const name = `${args.join(' ')} ${Object.keys(settings)}`
    t.equal(ended.code, code, name)
    t.match(ended.stderr, says, name)
    t.notMatch(ended.stderr, secret, 'no secret is shown')
    t.notMatch(ended.stderr, /\n {4}at /, `${name}: no stack trace`)
    if (!isStart) t.notOk(existsSync(join(folder, 'data')), `${name}: no database is made`)
  }
  const old = await latchkey(t, ['serve'], { nodeOptions: ['--import', OLD_NODE] })
  t.equal(await old.exit, 1)
  t.equal(old.stderr, 'latchkey: this is Node 18.20.8, and Latchkey needs Node 20.20 or newer\n')
})

t.test('a misspelled setting is reported, and variables of other programs are not', async (t) => {
  const near = {
    CORS_ORIGIN: 'x',
    PUBLICURL: 'x',
    DATABSE_URL: 'x',
    SECRET_KEYS: 'x',
    cors_origins: 'x',
    BCRYPT_COSTS: '4',
  }
  const others = {
    HOME: '/root',
    HOSTNAME: 'a',
    PORTS: '1',
    LATCHKEY_PORT: 'tcp://10.0.0.1:3000',
    LOGNAME: 'a',
    SHELL: 'x',
  }
  const child = await serving(t, { settings: { ...near, ...others } })
  for (const name of Object.keys(near)) t.match(child.stderr, `${name} is not a setting: did you mean`)
  t.match(child.stderr, 'CORS_ORIGIN is not a setting: did you mean CORS_ORIGINS?')
  for (const name of Object.keys(others)) t.notMatch(child.stderr, `${name} is not a setting`)
  t.notMatch(child.stderr, 'PUBLIC_URL is not set')
})

t.test('a service that other machines can reach warns if PUBLIC_URL is not set', async (t) => {
  const open = await latchkey(t, ['serve'], { settings: { HOST: '0.0.0.0', PORT: '0' } })
  await open.says(/PUBLIC_URL is not set: the issuer of every token is http:\/\//, 60_000)
})

t.test('the file .env in the working folder is read, and variables that are already set take precedence', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'port'), '6000\n')
  await writeFile(join(folder, '.env'), '\ufeffPORT=4000\r\nRATE_LIMIT="7" # a day\r\nLOG_LEVEL=warn\r\n')
  const read = await config(t, { folder, settings: { LOG_LEVEL: 'error' } })
  t.match(read, { PORT: '4000', RATE_LIMIT: '7', LOG_LEVEL: 'error' })
  t.match(await config(t, { folder, settings: { PORT_FILE: join(folder, 'port') } }), { PORT: '6000' })
})

t.test('a setting that a # cuts short in the file .env is refused by name', async (t) => {
  const folder = await temporaryFolder(t)
  const lines = ['BRAND_COLOR=#0b6e4f', 'export SECRET_KEY=abc#def', 'BRAND_NAME = Shop#1', 'COLOR=#fff']
  const kept = ['AUDIENCE="a#b"', "RP_ID='' #", 'PORT=4000 # a#b', '# LOG_LEVEL=#']
  await writeFile(join(folder, '.env'), [...lines, ...kept].join('\n'))
  const child = await latchkey(t, ['config'], { folder })
  t.equal(await child.exit, 78)
  for (const name of ['BRAND_COLOR', 'SECRET_KEY', 'BRAND_NAME'])
    t.match(child.stderr, `- ${name} in the file .env holds a #: put the value in quotes\n`)
  t.equal(child.stderr.trimEnd().split('\n').length, 4, child.stderr)
  t.notMatch(child.stderr, 'abc', 'no value is shown')
  await writeFile(join(folder, '.env'), ['BRAND_COLOR=#0b6e4f', ...kept].join('\n'))
  t.match(
    await config(t, { folder, settings: { BRAND_COLOR: '#333333' } }),
    { PORT: '4000', AUDIENCE: "'a#b'" },
    'a real variable wins',
  )
})

t.test('a working folder of somebody else has no file .env, and a .env of somebody else is named', async (t) => {
  const locked = await temporaryFolder(t)
  t.teardown(() => chmod(locked, 0o700))
  const elsewhere = await asNobody(locked, 'chmod 0 . && exec "$0" "$1" config')
  t.equal(elsewhere.code, 0, elsewhere.stderr)
  t.match(elsewhere.stdout, 'PORT=3000')
  const folder = await temporaryFolder(t)
  const unreadable = await asNobody(folder, 'echo PORT=1 > .env && chmod 0 .env && exec "$0" "$1" config')
  t.equal(unreadable.code, 78)
  t.match(unreadable.stderr, /- the file \.env cannot be read \(EACCES\): let this user read it/)
})

t.test('the output of latchkey config is a file .env that gives the same output', async (t) => {
  const folder = await temporaryFolder(t)
  const settings = { BRAND_COLOR: '#0b6e4f', BRAND_NAME: `"Mina's" # 1`, MAIL_LINKS: 'https://a.test/#/{page}/{token}' }
  const first = await latchkey(t, ['config'], { settings })
  t.equal(await first.exit, 0, first.stderr)
  await writeFile(join(folder, '.env'), first.stdout)
  const second = await latchkey(t, ['config'], { folder })
  t.equal(await second.exit, 0, second.stderr)
  t.equal(second.stdout, first.stdout)
  t.match(second.stdout, /^BRAND_COLOR='#0b6e4f'$/m)
})

t.test('latchkey config prints settings that the service accepts', async (t) => {
  const settings = {
    ACCESS_TOKEN_TTL: '90s',
    BODY_LIMIT: '32KiB',
    DOCS: 'off',
    METRICS_PORT: '9000',
    RATE_LIMIT: 'off',
  }
  const first = await config(t, { settings })
  t.match(first, settings)
  t.same(await config(t, { settings: first }), first, 'the output is accepted as settings, and gives the same output')
})

/**
 * Runs a shell command in a folder. Root, for whom file modes do not count, runs it as another user, who becomes the
 * owner of the folder.
 */
async function asNobody(folder: string, line: string) {
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  if (user.uid !== undefined) await chown(folder, NOBODY, NOBODY)
  const options = { cwd: folder, env: { PATH: process.env.PATH }, ...user }
  const child = new Child(spawn('sh', ['-c', line, process.execPath, CLI], options), folder)
  return { code: await child.exit, stdout: child.stdout, stderr: child.stderr }
}

async function ending(t: Test, args: string[], settings: Record<string, string>) {
  const child = await latchkey(t, args, { settings })
  return { code: await child.exit, stderr: child.stderr }
}

/** The current settings, as `latchkey config` prints them. */
async function config(t: Test, surroundings: { folder?: string; settings: Record<string, string> }) {
  const child = await latchkey(t, ['config'], surroundings)
  t.equal(await child.exit, 0, child.stderr)
  // As a shell or an .env file would read the output, without comments.
  const pairs = child.stdout
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => /^(\w+)=(.*)$/.exec(line)?.slice(1) ?? [line, ''])
  const settings: Record<string, string> = Object.fromEntries(pairs)
  return settings
}

async function occupiedPort(): Promise<{ port: number; close: () => void }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as { port: number }).port, close: () => server.close() }
}
