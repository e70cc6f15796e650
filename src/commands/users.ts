import { and, asc, eq, gt, inArray, or } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../app.js'
import { loadConfig } from '../config.js'
import { assertDatabase, databaseName } from '../database-address.js'
import { fold, identifierKey } from '../identifiers.js'
import { readNewPassword } from '../prompt.js'
import { toAccount } from '../schemas.js'
import { print, printableJson, printJson } from '../terminal.js'
import { timestamp } from '../times.js'
import { UsageError } from '../usage-error.js'
import type { User } from '../user-rows.js'
import { isKept } from '../user-rows.js'

export const HELP = `Usage: latchkey users <action> [<who>] [options]

  create --username <name> [--email <address>] [--name <name>] [--admin]
                              add an account, also under a reserved name and while registration is closed
  list                        all accounts, the oldest first
  show <who>                  one account
  disable <who>               log it out everywhere, and let nobody log in to it
  enable <who>                undo that
  set-role <who> <user|admin> a role; who loses it is logged out everywhere
  set-password <who>          a new password; ends all sessions
  reset-password <who>        make a token with which somebody sets a new password once, within the hour
  revoke-sessions <who>       log it out everywhere

<who> is a user name, an e-mail address, or an id. One active admin always stays. What is done is in the audit log.

A password is asked for twice, or read from the first line of standard input where that is no terminal. The end of the
line and a byte order mark are no part of it; one that begins or ends with a blank is refused:

  latchkey users create --username ada --admin < password.txt

Only create makes a database where there is none yet.

  --json   print accounts as JSON, one a line

Exit codes: 0 done; 1 refused, with the reason; 64 usage; 78 wrong settings.
`

type Act = (app: FastifyInstance, who: string, value: string | undefined) => Promise<string | string[]>

/** What is done to one account; each returns the lines that say what it did. */
const ACTS: Record<string, Act> = {
  show: async (app, who) => printableJson(toAccount(await find(app, who)), 2).split('\n'),
  disable: (app, who) => change(app, who, { isActive: false }),
  enable: (app, who) => change(app, who, { isActive: true }),
  'set-role': async (app, who, role) => {
    if (role !== 'user' && role !== 'admin') throw new UsageError('say which role: user or admin')
    return change(app, who, { role })
  },
  'set-password': async (app, who) => {
    const user = await find(app, who)
    const passwordHash = await app.accounts.hashFor(user, await readNewPassword())
    await app.newPasswords.overwrite({ user, passwordHash })
    return `Set a new password for ${called(user)}, and ended all sessions.`
  },
  'reset-password': async (app, who) => {
    const user = await find(app, who)
    const { token, expiresAt } = await app.users.createPasswordReset(user.id, { id: null })
    return `${token}\nsets a new password for ${called(user)} at POST /v1/password-reset, once, until ${timestamp(expiresAt)}.`
  },
  'revoke-sessions': async (app, who) => {
    const user = await find(app, who)
    await app.users.endSessions(user.id, { id: null })
    return `Ended all sessions of ${called(user)}.`
  },
}

export const ACTIONS = ['create', 'list', ...Object.keys(ACTS)]

export const options = {
  username: { type: 'string' },
  email: { type: 'string' },
  name: { type: 'string' },
  admin: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

interface Values {
  username?: string
  email?: string
  name?: string
  admin?: boolean
  json?: boolean
}

const ROWS_AT_ONCE = 500

export async function run(values: Values, [action = '', who, value, ...rest]: string[]): Promise<void> {
  const act = ACTS[action]
  if (act !== undefined && who === undefined) throw new UsageError(`say who: latchkey users ${action} <who>`)
  const operands = act === undefined ? 0 : action === 'set-role' ? 2 : 1
  const [extra] = [who, value, ...rest].slice(operands).filter((operand) => operand !== undefined)
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many; see latchkey users --help`)
  if (action === 'create' && values.username === undefined && values.email === undefined) {
    throw new UsageError('--username or --email is needed')
  }
  const config = loadConfig()
  if (action !== 'create') assertDatabase(config.DATABASE_URL)
  const password = action === 'create' ? await readNewPassword() : ''
  const app = await buildApp({ ...config, LOG_LEVEL: 'silent' })
  try {
    if (action === 'list') await list(app, values.json === true)
    else if (act !== undefined && who !== undefined) print(...[await act(app, who, value)].flat())
    else await create(app, values, password)
  } finally {
    await app.close()
  }
}

async function create(app: FastifyInstance, { admin, json, ...names }: Values, password: string): Promise<void> {
  const user = await app.accounts.create({ ...names, password }, admin ? 'admin' : 'user')
  if (json) printJson(toAccount(user))
  else
    print(
      `Created ${admin ? 'the admin' : 'the user'} ${names.username ?? names.email} with id ${user.id} in ${databaseName(app.config.DATABASE_URL)}.`,
    )
}

async function list(app: FastifyInstance, json: boolean): Promise<void> {
  const { db, tables } = app.database
  for (let last = 0; ; ) {
    const some = await db
      .select()
      .from(tables.users)
      .where(and(gt(tables.users.id, last), isKept(tables)))
      .orderBy(asc(tables.users.id))
      .limit(ROWS_AT_ONCE)
    if (some.length === 0) return
    last = some.at(-1)?.id ?? last
    print(...some.map((user) => (json ? printableJson(toAccount(user)) : line(user))))
  }
}

function line({ id, role, isActive, username, email, name }: User): string {
  const names = [username, email, name && `(${name})`].filter(Boolean).join(' ')
  return `${String(id).padStart(8)}  ${role.padEnd(5)}  ${isActive ? 'active  ' : 'disabled'}  ${names}`
}

async function change(app: FastifyInstance, who: string, changes: Parameters<typeof app.users.change>[1]) {
  const user = await app.users.change((await find(app, who)).id, changes, { id: null })
  return `${called(user)} is ${user.isActive ? 'active' : 'disabled'}, with the role ${user.role}.`
}

/** The user of this name, address or id. @throws UsageError when there is none, or more than one */
async function find({ database: { db, tables } }: FastifyInstance, who: string): Promise<User> {
  const { users } = tables
  const keys = [identifierKey(who), fold(who)]
  const id = /^[1-9]\d{0,14}$/.test(who) ? and(eq(users.id, Number(who)), isKept(tables)) : undefined
  const [user, ...others] = await db
    .select()
    .from(users)
    .where(or(inArray(users.usernameKey, keys), inArray(users.emailKey, keys), id))
  if (user === undefined) throw new UsageError(`there is no user "${who}"`)
  if (others.length > 0) {
    throw new UsageError(`"${who}" may mean ${[user, ...others].map(called).join(' or ')}: say more exactly who`)
  }
  return user
}

function called({ username, email, id }: User): string {
  return `${username ?? email} (id ${id})`
}
