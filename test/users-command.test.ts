import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { packageRoot } from '../src/package.js'
import { PASSWORD, startService, temporaryFolder } from './helper.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(120_000)

const CLI = join(packageRoot, 'dist', 'src', 'cli.js')

t.test('the first admin comes from the command line, and logs in over the API', async (t) => {
  const command = await commandIn(t)
  const made = await command.run(['users', 'create', '--username', 'admin', '--admin'], `${PASSWORD}\n`)
  t.equal(made.code, 0, made.stderr)
  t.match(made.stdout, /^Created the admin admin with id 1\.\n$/)
  t.equal(made.stderr, '')
  const service = await command.startService()
  const admin = await service.logIn('admin', PASSWORD)
  t.match(admin.login.user, { id: 1, username: 'admin', email: null, role: 'admin' })
  t.equal((await admin.get('/v1/users')).statusCode, 200)
  const { items } = (await admin.get('/v1/events?user_id=1')).json()
  t.match(items.at(-1), { type: 'user.created', actor_id: null, ip: null })
})

t.test('without --admin it is a person like any other, with an address and a name', async (t) => {
  const command = await commandIn(t)
  const names = ['--email', 'Ada@Example.com', '--name', 'Ada L.']
  t.equal((await command.run(['users', 'create', ...names], PASSWORD)).code, 0, 'the line need not end')
  const service = await command.startService()
  const ada = await service.logIn('ada@example.com', PASSWORD)
  t.match(ada.login.user, { username: null, email: 'Ada@Example.com', name: 'Ada L.', role: 'user' })
  t.equal((await ada.get('/v1/users')).statusCode, 403)
})

t.test('while registration is closed, and while the service runs', async (t) => {
  const command = await commandIn(t, { REGISTRATION: 'closed' })
  const service = await command.startService()
  t.equal((await service.post('/v1/register', { username: 'mina', password: PASSWORD })).statusCode, 403)
  // What follows the first line is no part of the password.
  const made = await command.run(['users', 'create', '--username', 'mina'], `${PASSWORD}\r\nand more\n`)
  t.equal(made.code, 0, made.stderr)
  t.match((await service.logIn('mina', PASSWORD)).login.user, { username: 'mina', role: 'user' })
})

t.test('what is refused says why, ends with another code, and leaves nothing', async (t) => {
  const command = await commandIn(t)
  t.equal((await command.run(['users', 'create', '--username', 'mina'], PASSWORD)).code, 0)
  const create = ['users', 'create']
  const refused: { args: string[]; input: string; code: number; says: RegExp }[] = [
    { args: [...create, '--username', 'joon'], input: 'shrt7!x', code: 1, says: /at least 8 characters/ },
    { args: [...create, '--username', 'joon'], input: 'password1234567\n', code: 1, says: /most common/ },
    { args: [...create, '--username', 'joon.park'], input: 'joon.park\n', code: 1, says: /name of yours/ },
    { args: [...create, '--username', 'joon'], input: '\n', code: 1, says: /at least 8 characters/ },
    { args: [...create, '--username', 'joon'], input: '', code: 64, says: /no password/ },
    { args: [...create, '--username', 'MINA', '--admin'], input: PASSWORD, code: 1, says: /user name is taken/ },
    { args: [...create, '--email', 'x'], input: PASSWORD, code: 1, says: /not an e-mail address/ },
    { args: create, input: PASSWORD, code: 64, says: /--username or --email is needed/ },
    { args: [...create, '--admin', '--name', 'Joon'], input: PASSWORD, code: 64, says: /--username or --email/ },
    { args: [...create, '--username', 'joon', '--password', 'x'], input: PASSWORD, code: 64, says: /--password/ },
    { args: ['users', 'delete', '--username', 'mina'], input: PASSWORD, code: 64, says: /no action "delete"/ },
  ]
  await Promise.all(
    refused.map(async ({ args, input, code, says }) => {
      const { code: ended, stdout, stderr } = await command.run(args, input)
      const name = `${args.join(' ')} < ${input.trim()}`
      t.equal(ended, code, `${name}: ${stderr}`)
      t.match(stderr, says, name)
      t.equal(stdout, '', name)
      t.notMatch(stderr, /\n\s+at /, `${name}: no stack`)
      if (input.trim() !== '') t.notMatch(stderr, input.trim(), `${name}: nor the password`)
    }),
  )
  const { db, tables } = (await command.startService()).app.database
  t.match(await db.select({ username: tables.users.username, role: tables.users.role }).from(tables.users), [
    { username: 'mina', role: 'user' },
  ])
  t.equal(await db.$count(tables.users), 1)
})

t.test('--help explains itself, and does nothing', async (t) => {
  const command = await commandIn(t)
  const { code, stdout } = await command.run(['users', '--help'], '')
  t.equal(code, 0)
  t.match(stdout, /latchkey users create --username/)
})

/** The command as an operator calls it: in a folder of its own, with nothing in the environment but the settings. */
async function commandIn(t: Test, settings: Record<string, string> = {}) {
  const folder = await temporaryFolder(t)
  const env = { PATH: process.env.PATH, DATABASE_URL: 'sqlite:./data/latchkey.db', BCRYPT_COST: '10', ...settings }

  async function run(args: string[], input: string) {
    const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, env, timeout: 60_000 })
    t.teardown(() => child.kill('SIGKILL'))
    // It may end without having read what it was given.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    t.notMatch(stdout + stderr, PASSWORD, 'the password is in no output')
    return { code, stdout, stderr }
  }

  return {
    run,
    startService: () => startService(t, { ...settings, DATABASE_URL: `sqlite:${join(folder, 'data', 'latchkey.db')}` }),
  }
}
