// On SQLite alone: the commands run on a SQLite file.

import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { isNull } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { PASSWORD, startService, temporaryFolder } from '../helper.js'
import { call } from '../support/calls.js'
import { ALIVE, DEAD, sessionStatus } from '../support/people.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const CLI = join(packageRoot, 'dist', 'src', 'cli.js')

t.test('the command line creates the first admin, who logs in over the API', async (t) => {
  const command = await commandIn(t)
  const made = await command.spawn(['users', 'create', '--username', 'admin', '--admin'], `${PASSWORD}\n`)
  t.equal(made.code, 0, made.stderr)
  t.match(made.stdout, /^Created the admin admin with id 1 in \/.*latchkey\.db\.\n$/)
  t.match(made.stderr, /^Database: \/.*latchkey\.db\n$/)
  const service = await command.startService()
  const admin = await service.logIn('admin', PASSWORD)
  t.match(admin.login.user, { id: 1, username: 'admin', email: null, role: 'admin' })
  t.equal((await admin.get('/v1/users')).statusCode, 200)
  const { items } = (await admin.get('/v1/events?user_id=1')).json()
  t.match(items.at(-1), { type: 'user.created', actor_id: null, ip: null })
})

t.test('without --admin the new account has the role user, with its e-mail address and name', async (t) => {
  const command = await commandIn(t)
  const names = ['--email', 'Ada@Example.com', '--name', 'Ada L.']
  t.equal(
    (await command.spawn(['users', 'create', ...names], PASSWORD)).code,
    0,
    'the input needs no line break at its end',
  )
  const service = await command.startService()
  const ada = await service.logIn('ada@example.com', PASSWORD)
  t.match(ada.login.user, { username: null, email: 'Ada@Example.com', name: 'Ada L.', role: 'user' })
  t.equal((await ada.get('/v1/users')).statusCode, 403)
})

t.test('accounts are created while registration is closed and the service is running', async (t) => {
  const command = await commandIn(t, { REGISTRATION: 'closed' })
  const service = await command.startService()
  t.equal((await service.post('/v1/register', { username: 'mina', password: PASSWORD })).statusCode, 403)
  // The password is the first line only.
  const made = await command.spawn(['users', 'create', '--username', 'mina'], `${PASSWORD}\r\nand more\n`)
  t.equal(made.code, 0, made.stderr)
  t.match((await service.logIn('mina', PASSWORD)).login.user, { username: 'mina', role: 'user' })
})

t.test('a rejected users command prints the reason, exits with 1 or 64, and changes nothing', async (t) => {
  const command = await commandIn(t)
  t.equal((await command.run(['users', 'create', '--username', 'mina'], PASSWORD)).code, 0)
  const create = ['users', 'create']
  const refused: { args: string[]; input: string; code: number; says: RegExp }[] = [
    { args: [...create, '--username', 'joon'], input: 'shrt7!x', code: 1, says: /at least 8 characters/ },
    { args: [...create, '--username', 'joon'], input: 'password1234567\n', code: 1, says: /most common/ },
    { args: [...create, '--username', 'joon.park'], input: 'joon.park\n', code: 1, says: /name of yours/ },
    { args: [...create, '--username', 'joon'], input: '\n', code: 1, says: /at least 8 characters/ },
    { args: [...create, '--username', 'joon'], input: '', code: 1, says: /no password/ },
    { args: [...create, '--username', 'MINA', '--admin'], input: PASSWORD, code: 1, says: /user name is taken/ },
    { args: [...create, '--email', 'x'], input: PASSWORD, code: 1, says: /not an e-mail address/ },
    { args: create, input: PASSWORD, code: 64, says: /missing option --username or --email/ },
    { args: [...create, '--username', '', '--email='], input: PASSWORD, code: 64, says: /missing option --username/ },
    { args: [...create, '--admin', '--name', 'Joon'], input: PASSWORD, code: 64, says: /--username or --email/ },
    { args: [...create, '--username', 'joon', '--password', 'x'], input: PASSWORD, code: 64, says: /--password/ },
    {
      args: ['users', 'erase', 'mina'],
      input: PASSWORD,
      code: 64,
      says: /no action "erase": latchkey users create \| list/,
    },
    { args: ['users', 'delete', '--username', 'mina'], input: PASSWORD, code: 64, says: /missing argument <who>/ },
    {
      args: ['users', 'delete', 'mina', '--username', 'x'],
      input: PASSWORD,
      code: 64,
      says: /--username is an option of latchkey users create/,
    },
    { args: ['users'], input: PASSWORD, code: 64, says: /missing action: latchkey users create/ },
    { args: ['users', 'list', '--limit', '0'], input: PASSWORD, code: 64, says: /--limit must be a whole number/ },
    { args: ['users', 'delete', 'nobody'], input: PASSWORD, code: 1, says: /no user "nobody"/ },
  ]
  // The first case of each exit code also runs in its own process.
  const spawned = [1, 64].map((code) => refused.find((one) => one.code === code))
  await Promise.all(
    [...refused, ...spawned.flatMap((one) => one ?? [])].map(async ({ args, input, code, says }, index) => {
      const run = index < refused.length ? command.run : command.spawn
      const { code: ended, stdout, stderr } = await run(args, input)
      const name = `${args.join(' ')} < ${input.trim()}`
      t.equal(ended, code, `${name}: ${stderr}`)
      t.match(stderr, says, name)
      t.equal(stdout, '', name)
      t.notMatch(stderr, /\n\s+at /, `${name}: no stack`)
      if (input.trim() !== '') t.notMatch(stderr, input.trim(), `${name}: the password is not printed`)
    }),
  )
  const { db, tables } = (await command.startService()).app.database
  t.match(await db.select({ username: tables.users.username, role: tables.users.role }).from(tables.users), [
    { username: 'mina', role: 'user' },
  ])
  t.equal(await db.$count(tables.users), 1)
})

t.test('accounts are listed and changed, but the last admin is neither demoted nor disabled', async (t) => {
  const command = await commandIn(t)
  t.equal((await command.run(['users', 'create', '--username', 'admin', '--admin'], PASSWORD)).code, 0)
  const service = await command.startService()
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await command.run(['users', ...args], '')
    return `${code} ${stdout}${stderr.replace(/^Database: .*\n/, '')}`.trim()
  }
  t.match(await run('list'), /^0 +1 {2}admin {2}active {4}admin\n +2 {2}user {3}active {4}mina\n +3 {2}user/)
  const listed = (await command.run(['users', 'list', '--json'], '')).stdout.trim().split('\n')
  t.match(JSON.parse(listed[1] ?? ''), { id: 2, username: 'mina', role: 'user', is_active: true })
  t.notMatch(listed.join(), /hash|bcrypt/)
  t.equal(await run('disable', 'MINA'), '0 mina (id 2) is disabled, with the role user.')
  await service.app.revocations.poll()
  t.equal(await sessionStatus(mina), DEAD)
  t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 401)
  t.equal((await joon.get('/v1/me')).statusCode, 200, 'other accounts are not disabled')
  t.equal(await run('enable', '2'), '0 mina (id 2) is active, with the role user.')
  t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 200)

  for (const act of [
    ['set-role', 'admin', 'user'],
    ['disable', 'admin'],
  ]) {
    t.match(await run(...act), /^1 latchkey: .*last/i, act.join(' '))
  }
  t.equal(await run('set-role', 'joon', 'admin'), '0 joon (id 3) is active, with the role admin.')
  t.equal(await run('set-role', 'admin', 'user'), '0 admin (id 1) is active, with the role user.')
  t.equal(await run('set-roles', 'joon', 'editor,billing'), '0 joon (id 3) has the roles billing editor.')
  t.equal(await run('set-roles', 'joon', ''), '0 joon (id 3) has no roles.')

  for (const [args, says] of [
    [['disable'], /^64 latchkey: missing argument <who>/],
    [['show', 'nobody'], /^1 latchkey: there is no user "nobody"/],
    [['set-role', 'mina'], /^64 latchkey: the role must be/],
    [['set-role', 'mina', 'owner'], /^64 latchkey: the role must be/],
    [['set-roles', 'mina'], /^64 latchkey: the roles are/],
    [['set-roles', 'mina', 'two words'], /^64 latchkey: the roles are/],
    [['disable', 'mina', 'joon'], /^64 latchkey: unexpected argument "joon"/],
  ] as const) {
    t.match(await run(...args), says)
  }
})

t.test('a new password comes from standard input, and ends all sessions', async (t) => {
  const command = await commandIn(t)
  const service = await command.startService()
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const changed = 'four louder lanterns'
  const set = await command.spawn(['users', 'set-password', 'mina'], `${changed}\n`)
  t.match(set, { code: 0, stdout: 'Set a new password for mina (id 1), and ended all sessions.\n' })
  await service.app.revocations.poll()
  t.equal(await sessionStatus(mina), DEAD)
  t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 401)
  const again = await service.logIn('mina', changed)
  t.equal((await command.run(['users', 'set-password', 'mina'], 'mina\n')).code, 1, 'the password rules apply')
  t.equal((await command.run(['users', 'revoke-sessions', 'mina'], '')).code, 0)
  await service.app.revocations.poll()
  t.equal(await sessionStatus(again), DEAD)
  t.equal(await sessionStatus(joon), ALIVE)
  const { db, tables } = service.app.database
  const events = await db.select({ type: tables.events.type }).from(tables.events).where(isNull(tables.events.actorId))
  t.match(
    events.map(({ type }) => type).filter((type) => !type.startsWith('login')),
    ['password.changed', 'sessions.ended'],
  )
})

t.test('accounts are found by part of a name, up to --limit, and deleted permanently', async (t) => {
  const command = await commandIn(t)
  const service = await command.startService()
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon_park')]
  await service.signUp('minari')
  await joon.post('/v1/todos', { title: 'private' })
  const names = async (...args: string[]) => {
    const { code, stdout, stderr } = await command.run(['users', 'list', '--json', ...args], '')
    t.equal(code, 0, stderr)
    return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).username]))
  }
  t.same(await names(), ['mina', 'joon_park', 'minari'])
  t.same(await names('--search', 'MIN'), ['mina', 'minari'])
  t.same(await names('--search', '_'), ['joon_park'], '_ is no wildcard')
  t.same(await names('--search', '%'), [])
  t.same(await names('--search', '!'), [])
  t.same(await names('--limit', '2'), ['mina', 'joon_park'])
  t.same(await names('--search', 'min', '--limit', '1'), ['mina'])

  const deleted = await command.run(['users', 'delete', 'joon_park', '--json'], '')
  t.equal(deleted.code, 0, deleted.stderr)
  t.match(JSON.parse(deleted.stdout), { id: joon.id, username: 'joon_park' })
  t.same(await names(), ['mina', 'minari'])
  await service.app.revocations.poll()
  t.equal(await sessionStatus(joon), DEAD)
  t.equal(await sessionStatus(mina), ALIVE)
  t.equal((await service.post('/v1/login', { username: 'joon_park', password: PASSWORD })).statusCode, 401)
  t.equal(await service.app.database.db.$count(service.app.database.tables.todos), 0)
  t.equal((await command.run(['users', 'delete', 'joon_park'], '')).code, 1, 'the account is gone')
})

t.test('every action prints the account as JSON with --json, and names the database that it used', async (t) => {
  const command = await commandIn(t)
  const json = async (args: string[], input = '') => {
    const { code, stdout, stderr } = await command.run(['users', ...args, '--json'], input)
    t.equal(code, 0, `${args}: ${stderr}`)
    t.match(stderr, /^Database: \/.*\/data\/latchkey\.db\n$/, `${args}`)
    return JSON.parse(stdout)
  }
  const admin = { id: 1, username: 'ada', role: 'admin', is_active: true }
  t.match(await json(['create', '--username', 'ada', '--admin'], PASSWORD), admin)
  t.match(await json(['show', 'ada']), admin)
  t.match(await json(['create', '--username', 'mina'], PASSWORD), { id: 2, role: 'user' })
  t.match(await json(['disable', 'mina']), { id: 2, is_active: false })
  t.match(await json(['enable', 'mina']), { id: 2, is_active: true })
  t.match(await json(['set-role', 'mina', 'admin']), { id: 2, role: 'admin' })
  t.match(await json(['set-password', 'mina'], 'four louder lanterns'), { id: 2 })
  t.match(await json(['revoke-sessions', 'mina']), { id: 2 })
  t.match(await json(['reset-password', 'mina']), { token: /^[\w-]{20,}$/, expires_at: /Z$/, user: { id: 2 } })
  const shown = await command.run(['users', 'show', '2'], '')
  t.match(shown.stdout, /^id +2\nusername +mina\nemail +-\n/)
})

t.test('--help prints the usage, exits with 0 and changes nothing, whatever stands beside it', async (t) => {
  const command = await commandIn(t)
  const { code, stdout } = await command.spawn(['users', '--help'], '')
  t.equal(code, 0)
  t.match(stdout, /latchkey users create --username/)
  const beside = async (args: string[], input = '') => {
    const asked = await command.run(['users', ...args], input)
    t.same([asked.code, asked.stdout], [0, stdout], `${args}: ${asked.stderr}`)
  }
  await beside(['create', '--username', 'mina', '--admin', '--help'], PASSWORD)
  await t.rejects(stat(command.file), { code: 'ENOENT' }, 'no database is made')
  t.equal((await command.run(['users', 'create', '--username', 'mina'], PASSWORD)).code, 0)
  const before = await command.run(['users', 'show', 'mina', '--json'], '')
  for (const action of ['delete', 'disable', 'reset-password', 'revoke-sessions', 'set-password']) {
    await beside([action, 'mina', '--help'], 'four louder lanterns')
    await beside(['--help', action, 'mina'], 'four louder lanterns')
  }
  await beside(['set-role', 'mina', 'admin', '--help'])
  t.same(await command.run(['users', 'show', 'mina', '--json'], ''), before)
  const service = await command.startService()
  await service.logIn('mina', PASSWORD)
  const { db, tables } = service.app.database
  t.same((await db.select({ type: tables.events.type }).from(tables.events)).map(({ type }) => type).sort(), [
    'login.succeeded',
    'user.created',
  ])
})

/** The command as an operator runs it: in a new folder, with only PATH and the settings in the environment. */
async function commandIn(t: Test, settings: Record<string, string> = {}) {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'data', 'latchkey.db')
  const env = { PATH: process.env.PATH, DATABASE_URL: 'sqlite:./data/latchkey.db', BCRYPT_COST: '10', ...settings }

  async function spawnCommand(args: string[], input: string) {
    const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, env, timeout: 240_000 })
    t.teardown(() => child.kill('SIGKILL'))
    // The command may exit before it has read its input.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    return withoutPassword({ code, stdout, stderr })
  }

  async function run(args: string[], input: string) {
    return withoutPassword(await call(args, { settings: env, folder, input }))
  }

  function withoutPassword<Ended extends { stdout: string; stderr: string }>(ended: Ended): Ended {
    t.notMatch(ended.stdout + ended.stderr, PASSWORD, 'the password is in no output')
    return ended
  }

  return {
    file,
    run,
    /** Runs the command in its own process, which takes half a second longer than `run`. */
    spawn: spawnCommand,
    startService: () => startService(t, { ...settings, DATABASE_URL: `sqlite:${file}` }),
  }
}
