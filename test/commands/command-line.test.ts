// On SQLite alone: the command line itself does not depend on the database.

import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { Command } from '../../src/commands/command.js'
import { readableLines } from '../../src/http/logger.js'
import { packageRoot } from '../../src/package.js'
import { PASSWORD, temporaryFolder } from '../helper.js'
import { Child, latchkey, serving } from '../support/child.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(240_000)

const run = promisify(execFile)
/** util-linux: runs a command on a terminal of its own. */
const SCRIPT = '/usr/bin/script'
const ZSH = '/usr/bin/zsh'
const CLI = join(packageRoot, 'dist', 'src', 'cli.js')
const MAIL_FROM = 'Example <no-reply@example.com>'
/** The settings that PostgreSQL requires. No test connects to this address. */
const POSTGRES = {
  DATABASE_URL: 'postgres://h/d',
  SECRET_KEY: randomBytes(32).toString('base64'),
  PUBLIC_URL: 'https://l.test',
}
/** Commands without --json: `completion` prints a shell script. */
const WITHOUT_JSON = ['completion']
/** An interactive zsh in a pseudo-terminal. Types each line and the Tab key, and prints the completed line. */
const TYPING = `zmodload zsh/zpty
zpty shell 'zsh -f -i'
zpty -w shell "PS1=; autoload -Uz compinit; compinit -u -D; . ./completion.zsh"
zpty -w shell 'show() { print -r -- "<$BUFFER>"; BUFFER= }; zle -N show; bindkey "^X" show; print rea""dy'
zpty -r shell line '*ready*'
complete() {
  zpty -w -n shell "$1"$'\\t\\x18'
  zpty -r shell line '*<*>*'
  print -r -- "$line"
}
`

t.test('every command has --json, and its --help lists all options and only documented exit codes', async (t) => {
  const commands = await commandsOf()
  t.ok(commands.length >= 11, `${commands.length} commands`)
  const page = await readFile(join(packageRoot, 'docs/operations.md'), 'utf8')
  const table = [...page.matchAll(/^\| `(\d+)` \|/gm)].map(([, code]) => code)
  t.match(table, ['0', '1', '2', '64', '78'])
  for (const [name, { HELP, options = {} }] of commands) {
    t.equal('json' in options, !WITHOUT_JSON.includes(name), `${name} --json`)
    for (const option of Object.keys(options)) {
      if (option !== 'twins') t.match(HELP, `--${option}`, `${name} --help knows --${option}`)
    }
    const [, codes = ''] = /^Exit codes: ([\s\S]*)/m.exec(HELP) ?? []
    const said = [...codes.matchAll(/(?:^|; |;\n|\n)(\d+) /g)].map(([, code]) => code)
    t.match(said, /0/, `${name} says its exit codes`)
    t.same(
      said.filter((code) => !table.includes(code)),
      [],
      name,
    )
  }
})

t.test('help <command> prints the same as <command> --help, and each failure has its exit code', async (t) => {
  const folder = await temporaryFolder(t)
  const end = async (args: string[], settings: Record<string, string> = {}) => {
    const child = await latchkey(t, args, { folder, settings })
    return { code: await child.exit, stdout: child.stdout, stderr: child.stderr }
  }
  const [help, option] = await Promise.all([end(['help', 'users']), end(['users', '--help'])])
  t.equal(help.stdout, option.stdout)
  t.match(help.stdout, /^Usage: latchkey users/)
  const [all, one] = await Promise.all([end(['help', '--json']), end(['help', 'clients', '--json'])])
  const described = all.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.same(
    described.map(({ command }) => command),
    (await commandsOf()).map(([name]) => name),
  )
  t.match(JSON.parse(one.stdout), {
    command: 'clients',
    actions: ['create', 'list'],
    options: { name: { type: 'string', repeatable: false }, grant: { repeatable: true }, help: { type: 'boolean' } },
  })
  const calls: [args: string[], code: number, settings?: Record<string, string>][] = [
    [['mail', 'test', 'mina@example.com'], 78],
    [['mail', 'test'], 64],
    [['mail', 'test', 'mina@example.com', '--locale', 'xx'], 64],
    [['mail', 'test', 'mina@example.com'], 1, { MAIL_URL: 'smtp://127.0.0.1:1', MAIL_FROM }],
    [['completion'], 64],
    [['help', 'nothing'], 64],
    [['help', 'nothing', '--json'], 64],
    [['users', 'list'], 1],
    [['import', 'people.csv', '--encoding', 'none'], 64, { PORT: 'eighty' }],
    [['import', 'NOT_SET'], 64, { PORT: 'eighty' }],
    [['import', 'SOURCE'], 78, { SOURCE: 'x', SOURCE_FILE: 'x' }],
    [['import', 'postgres://lea:se/cret@host/db'], 1],
    [['import', 'postgres://one,two/db'], 1],
    [['copy', '--from', 'SOURCE', '--to', 'sqlite:x.db'], 78, { SOURCE_FILE: 'missing' }],
    [['backup', 'x.db'], 2, POSTGRES],
  ]
  await Promise.all(
    calls.map(async ([args, code, settings]) => {
      const ended = await end(args, settings)
      t.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}`)
      t.equal(ended.stdout, '')
      t.notMatch(ended.stderr, /\n {4}at /, 'no stack trace')
    }),
  )
  const mail = await end(['mail', 'test', 'mina@example.com', '--json'], { MAIL_URL: 'file:./mail', MAIL_FROM })
  t.same(JSON.parse(mail.stdout), { to: 'mina@example.com', taken_by: './mail' }, mail.stderr)
  t.equal((await readdir(join(folder, 'mail'))).length, 1)
})

t.test('every command refuses one argument too many, and does nothing', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'people.csv'), 'username,password\nmina,x\n')
  for (const [name, { ACTIONS = [undefined], OPERAND }] of await commandsOf()) {
    const own = OPERAND === undefined ? [] : ['people.csv']
    await Promise.all(
      ACTIONS.map(async (action) => {
        const words = action === undefined ? own : [action, 'one', 'user', 'three']
        const child = await latchkey(t, [name, ...words, 'extra'], { folder })
        t.equal(await child.exit, 64, `latchkey ${name} ${action ?? ''}`)
        t.match(child.stderr, /argument/)
      }),
    )
  }
  t.same(await readdir(folder), ['people.csv'])
})

t.test('a command finishes without a reader of its messages, and says that its result cannot be written', async (t) => {
  const unread = spawn(process.execPath, [CLI, 'migrate'], { cwd: await temporaryFolder(t), stdio: 'pipe' })
  unread.stderr.destroy()
  const [result, [code]] = await Promise.all([text(unread.stdout), once(unread, 'close')])
  t.equal(code, 0)
  t.equal(result, 'The database is up to date.\n')
  if (!existsSync('/dev/full')) return
  const full = await run('sh', ['-c', 'exec "$0" "$1" openapi > /dev/full', process.execPath, CLI]).catch(
    (error) => error,
  )
  t.equal(full.code, 1)
  t.match(full.stderr, /^latchkey: standard output cannot be written: ENOSPC.*\n$/)
})

t.test('the Tab key of bash completes commands, actions and options', async (t) => {
  const script = await completion(t, 'bash')
  const complete = async (...words: string[]) => {
    const line = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _latchkey; echo "\${COMPREPLY[*]}"`
    return (await run('bash', ['-c', line])).stdout.trim().split(' ')
  }
  t.same(await complete('latchkey', 'us'), ['users'])
  t.same(await complete('latchkey', 'users', 'set-'), ['set-role', 'set-roles', 'set-password'])
  t.same(await complete('latchkey', 'users', 'show', '--js'), ['--json'])
  t.match(await complete('latchkey', 'help', ''), new Set(['serve', 'completion']))
  t.same(await complete('latchkey', 'nothing', ''), [''])
  t.same(await complete('latchkey', 'import', ''), [''], 'the shell offers files')
})

const withoutZsh = existsSync(ZSH) ? false : `no ${ZSH}: apt-get install zsh`

t.test('zsh completes commands, actions, options and file names', { skip: withoutZsh }, async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'completion.zsh'), await completion(t, 'zsh'))
  for (const name of ['people.csv', 'backup-of-monday']) await writeFile(join(folder, name), '')
  const typed = ['latchkey us', 'latchkey users set-pa', 'latchkey users show --js', 'latchkey completion b']
  const complete = [...typed, 'latchkey help ser', 'latchkey import peo'].map((line) => `complete '${line}'`)
  await writeFile(join(folder, 'typing.zsh'), `${TYPING}${complete.join('\n')}\n`)
  const { stdout } = await run(ZSH, ['-f', 'typing.zsh'], {
    cwd: folder,
    env: { PATH: process.env.PATH, TERM: 'dumb' },
  })
  t.same(
    [...stdout.matchAll(/<([^>]*?) *>/g)].map(([, line]) => line),
    [
      'latchkey users',
      'latchkey users set-password',
      'latchkey users show --json',
      'latchkey completion bash',
      'latchkey help serve',
      'latchkey import people.csv',
    ],
  )
})

t.test('the text log has one line for each request, without control characters', async (t) => {
  const service = await serving(t, { settings: { LOG_FORMAT: 'text' } })
  await service.request('POST', '/v1/register', { body: { username: 'mina', password: PASSWORD } })
  await service.request('GET', '/nowhere')
  await service.says(/\d\d:\d\d:\d\d\.\d{3} info {2}POST \/v1\/register 201 [\d.]+ ms {2}.*ip=(127\.0\.0\.1|::1)\n/)
  await service.says(/info {2}GET \(no route\) 404/)
  t.notMatch(service.stdout, /[{}]|\p{Cc}(?<!\n)/u)
  const record = {
    level: 50,
    time: 1_700_000_000_123,
    msg: 'failed',
    pid: 1,
    err: { stack: 'Error: a\n  at b' },
    n: [1],
  }
  t.match(readableLines(record), [/^\d\d:\d\d:20\.123 error failed {2}n=\[1\]$/, '  Error: a', '    at b'])
})

const skip = existsSync(SCRIPT) ? false : `no ${SCRIPT}`

t.test('a terminal gets text and tables with headers; --json is JSON there too', { skip }, async (t) => {
  const folder = await temporaryFolder(t)
  const env = { PATH: process.env.PATH, DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}`, BCRYPT_COST: '10' }
  const onTerminal = async (...args: string[]) =>
    (await run(SCRIPT, ['-qec', [process.execPath, CLI, ...args].join(' '), '/dev/null'], { cwd: folder, env })).stdout
  await onTerminal('migrate')
  t.match(await onTerminal('keys', 'list'), /There are no keys yet/)
  await onTerminal('keys', 'rotate')
  t.match(await onTerminal('keys', 'list'), /kid {42}signs from {16}retires\r\n/)
  t.match(await onTerminal('users', 'list'), /id {2}role {3}status {4}names\r\n/)
  t.notMatch(await onTerminal('users', 'list', '--json'), /role/)
  const serve = async (...args: string[]) => {
    const command = [process.execPath, CLI, 'serve', ...args].join(' ')
    // A new process group, so that the test can kill `script` and the service together.
    const spawned = spawn(SCRIPT, ['-qec', `PORT=0 exec ${command}`, '/dev/null'], { cwd: folder, env, detached: true })
    const child = new Child(spawned, folder)
    t.teardown(() => process.kill(-child.pid))
    await child.says(/Server listening/)
    return child.stdout
  }
  const [text, json] = await Promise.all([serve(), serve('--json')])
  t.match(text, /^\d\d:\d\d:\d\d\.\d{3} info {2}Server listening at/m)
  t.notMatch(text, '"level"')
  t.match(json, /^\{"level":30,/m)
})

async function commandsOf(): Promise<[name: string, command: Command][]> {
  const [, list = ''] =
    /const COMMANDS[^{]*\{([\s\S]*?)\n\}\n/.exec(await readFile(join(packageRoot, 'src/command-line.ts'), 'utf8')) ?? []
  const names = [...list.matchAll(/^ {2}'?([\w-]+)'?: \{/gm)].map(([, name]) => `${name}`)
  return Promise.all(
    names.map(async (name): Promise<[string, Command]> => {
      const file = await import(`../../src/commands/${name}.js`)
      return [name, name === 'completion' ? file.completionOf({}) : file]
    }),
  )
}

async function completion(t: Test, shell: string): Promise<string> {
  const child = await latchkey(t, ['completion', shell])
  t.equal(await child.exit, 0, child.stderr)
  return child.stdout
}
