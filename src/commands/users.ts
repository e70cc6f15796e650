import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { buildApp } from '../app.js'
import { loadConfig } from '../config.js'
import { UsageError } from '../usage-error.js'

export const HELP = `Usage: latchkey users create --username <name> [--email <address>] [--name <name>] [--admin]

Creates an account, also under a reserved name and while registration is closed. The password is asked for, or read from
standard input where that is no terminal:

  latchkey users create --username ada --admin < password.txt

  --username <name>    a name to log in with
  --email <address>    an address to log in with; at least one of both is needed
  --name <name>        how the person is called
  --admin              an admin: the first one can come from nowhere else
`

export const ACTIONS = ['create'] as const

export const options = {
  username: { type: 'string' },
  email: { type: 'string' },
  name: { type: 'string' },
  admin: { type: 'boolean', default: false },
} as const

interface Values {
  username?: string
  email?: string
  name?: string
  admin?: boolean
}

export async function run({ admin, ...names }: Values): Promise<void> {
  if (names.username === undefined && names.email === undefined) {
    throw new UsageError('--username or --email is needed')
  }
  const password = await readPassword()
  const app = await buildApp({ ...loadConfig(), LOG_LEVEL: 'silent' })
  try {
    const user = await app.accounts.create({ ...names, password })
    if (admin) await app.users.change(user.id, { role: 'admin' }, { id: null })
    process.stdout.write(
      `Created ${admin ? 'the admin' : 'the user'} ${names.username ?? names.email} with id ${user.id}.\n`,
    )
  } finally {
    await app.close()
  }
}

/** The first line of standard input; on a terminal it is asked for and not shown. */
async function readPassword(): Promise<string> {
  const isTerminal = process.stdin.isTTY
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal })
  try {
    if (isTerminal) process.stderr.write('Password: ')
    const first = await lines[Symbol.asyncIterator]().next()
    if (isTerminal) process.stderr.write('\n')
    if (first.done) throw new UsageError('no password was given on standard input')
    return first.value
  } finally {
    lines.close()
  }
}
