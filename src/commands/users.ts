import { Value } from '@sinclair/typebox/value'
import type { FastifyInstance } from 'fastify'
import type { Issued } from '../accounts/one-time-tokens.js'
import type { User } from '../accounts/user-rows.js'
import { toAccount } from '../api/account-schemas.js'
import { timestamp } from '../api/times.js'
import { loadConfig } from '../config/config.js'
import { hasPages } from '../config/pages.js'
import type { Db } from '../database/database.js'
import { openDomain } from '../domain.js'
import { prepareFactorList } from '../factors/factor-list.js'
import { print, printJson } from '../terminal.js'
import { Roles, storedRoles } from '../tokens/roles.js'
import { UsageError } from '../usage-error.js'
import { announceDatabase, databaseName } from './database-address.js'
import { readNewPassword } from './password-prompt.js'
import { describeAccount, findAccount, nameOf, printAccounts } from './user-accounts.js'

export const HELP = `Usage: latchkey users <action> [<who>] [options]

  create --username <name> [--email <address>] [--name <name>] [--admin]
                              add an account, also with a reserved name and while registration is closed
  invite <address>            add an account without a password and send a mail to choose one, or print a token
  list [--search <text>] [--limit <n>]
                              list all accounts, the oldest first, or those with this text in a name or address
  show <who>                  show one account, with its second factors
  disable <who>               end its sessions and refuse its log-ins
  enable <who>                undo disable
  set-role <who> <user|admin> change the role; an admin who becomes a user is logged out everywhere
  set-roles <who> <words>     set the roles for your own services, such as editor,billing; '' removes all
  set-password <who>          set a new password; ends all sessions
  reset-password <who>        print a token that sets a new password once, within an hour
  revoke-sessions <who>       end all sessions
  enroll-link <who>           print a link to add the first second factor, where MFA requires one
  remove-factors <who>        remove all second factors of a user who lost them, and end all sessions
  delete <who>                delete the account and all of its rows; cannot be undone

<who> is a user name, an e-mail address, or an id. The last active admin cannot be removed. The audit log records every change.

On a terminal the password is asked for twice; otherwise it is the first line of standard input, without the line break and
without a byte order mark. A password that begins or ends with a space is refused:

  latchkey users create --username ada --admin < password.txt

Only the action create creates a missing database and migrates an older one. The database that was used is printed on
standard error.

  --json   print accounts as JSON, one per line, also after a change

Exit codes: 0 done; 1 refused or failed, with the reason (there is no such user, the name is taken, ...); 64 wrong usage;
78 wrong settings.
`

/** The outcome of an action, as text and as JSON. */
interface Outcome {
  lines: string[]
  json: object
}

type Act = (app: FastifyInstance, who: string, value: string | undefined) => Promise<Outcome>

const ACTS: Record<string, Act> = {
  show: async (app, who) => {
    const user = await findAccount(app, who)
    const factors = (await prepareFactorList(app.database).execute({ userId: user.id })).map(({ kind, name }) => ({
      type: kind,
      name,
    }))
    const names = factors.map(({ type, name }) => (name === null ? type : `${type} (${name})`))
    return {
      lines: [...describeAccount(user), `${'factors'.padEnd(12)} ${names.join(', ') || '-'}`],
      json: { ...toAccount(user), factors },
    }
  },
  disable: (app, who) => change(app, who, { isActive: false }),
  enable: (app, who) => change(app, who, { isActive: true }),
  'set-role': (app, who, role) => change(app, who, { role: roleOf(role) }),
  'set-roles': async (app, who, words) => {
    const roles = rolesOf(words)
    const user = await app.administration.change(
      (await findAccount(app, who)).id,
      { roles: storedRoles(roles) },
      { id: null },
    )
    return outcome(user, `${nameOf(user)} has ${user.roles === '' ? 'no roles' : `the roles ${user.roles}`}.`)
  },
  'set-password': async (app, who) => {
    const user = await findAccount(app, who)
    const passwordHash = await app.newPasswords.hash(user, await readNewPassword())
    await app.newPasswords.overwrite({ user, passwordHash })
    return outcome(user, `Set a new password for ${nameOf(user)}, and ended all sessions.`)
  },
  'reset-password': async (app, who) => {
    const user = await findAccount(app, who)
    const made = await app.administration.createPasswordReset(user.id, { id: null })
    if (made === undefined) throw new Error('The command line is always given the token')
    const { token, expiresAt } = made
    const until = timestamp(expiresAt)
    const use = `sets a new password for ${nameOf(user)} at POST /v1/password-reset, once, until ${until}.`
    return { lines: [token, use], json: { token, expires_at: until, user: toAccount(user) } }
  },
  invite: async (app, address) => {
    let token = undefined as Issued | undefined
    const finish = async (user: User, db: Db) => {
      token = await app.invitations.invite(db, user, { id: null })
    }
    const user = await app.registration.create({ email: address }, { finish })
    const json = { user: toAccount(user), ...(token && { token: token.token, expires_at: timestamp(token.expiresAt) }) }
    if (token === undefined) return { lines: [`Invited ${nameOf(user)}; the service sends the mail.`], json }
    const use = `is the invitation of ${nameOf(user)} for POST /v1/invitations/accept, until ${timestamp(token.expiresAt)}.`
    return { lines: [token.token, use], json }
  },
  'revoke-sessions': async (app, who) => {
    const user = await findAccount(app, who)
    await app.accounts.endSessions(user.id, { id: null })
    return outcome(user, `Ended all sessions of ${nameOf(user)}.`)
  },
  'enroll-link': async (app, who) => {
    const user = await findAccount(app, who)
    const { token, expiresAt } = await app.enrollments.createLink(user.id)
    const until = timestamp(expiresAt)
    const { PUBLIC_URL } = app.config
    const link = hasPages(app.config) && `${PUBLIC_URL}/account/login?again=1&enroll=${token}`
    const use = `lets ${nameOf(user)} add a second factor in a log-in with the password, until ${until}.`
    const json = { token, ...(link && { link }), expires_at: until, user: toAccount(user) }
    return { lines: link ? [link, use] : [token, `${use} It is for POST /v1/login/enroll/code.`], json }
  },
  'remove-factors': async (app, who) => {
    const user = await findAccount(app, who)
    const removed = await app.secondFactors.removeAll(user.id, { id: null })
    const done =
      removed.length === 0 ? 'has no second factor' : 'has no second factor any more; all sessions were ended'
    return outcome(user, `${nameOf(user)} ${done}.`)
  },
  delete: async (app, who) => {
    const user = await findAccount(app, who)
    await app.accounts.delete(user.id, { id: null })
    return outcome(user, `Deleted ${nameOf(user)} and all of its rows.`)
  },
}

export const ACTIONS = ['create', 'list', ...Object.keys(ACTS)]

export const options = {
  username: { type: 'string' },
  email: { type: 'string' },
  name: { type: 'string' },
  admin: { type: 'boolean', default: false },
  search: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

interface Values {
  username?: string
  email?: string
  name?: string
  admin?: boolean
  search?: string
  limit?: string
  json?: boolean
}

/** The actions that take a value after <who>, and the function that reads it. */
const VALUE_OF: Record<string, (value: string | undefined) => unknown> = { 'set-role': roleOf, 'set-roles': rolesOf }
/** Options that only one action allows. */
const OPTIONS_OF: Record<string, (keyof Values)[]> = {
  create: ['username', 'email', 'name', 'admin'],
  list: ['search', 'limit'],
}

export async function run(values: Values, [action = '', who, value, ...rest]: string[]): Promise<void> {
  const act = ACTS[action]
  assertUsage(values, action, [who, value, ...rest])
  const limit = values.limit === undefined ? Number.POSITIVE_INFINITY : limitFrom(values.limit)
  const config = loadConfig()
  const creates = action === 'create'
  announceDatabase(config.DATABASE_URL)
  const password = creates ? await readNewPassword() : ''
  // Only `create` may create a database: otherwise a typing mistake in DATABASE_URL would create an empty one.
  const MIGRATE_ON_START = creates && config.MIGRATE_ON_START
  const app = await openDomain({ ...config, MIGRATE_ON_START }, action)
  try {
    if (act !== undefined && who !== undefined) report(await act(app, who, value), values)
    else if (creates) report(await create(app, values, password), values)
    else await printAccounts(app, { search: values.search, limit, json: values.json === true })
  } finally {
    await app.close()
  }
}

function assertUsage(values: Values, action: string, operands: (string | undefined)[]): void {
  const isAct = Object.hasOwn(ACTS, action)
  if (isAct && operands[0] === undefined) throw new UsageError(`missing argument <who>: latchkey users ${action} <who>`)
  const taken = isAct ? (Object.hasOwn(VALUE_OF, action) ? 2 : 1) : 0
  const [extra] = operands.slice(taken).filter((operand) => operand !== undefined)
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"; see latchkey users --help`)
  for (const [other, names] of Object.entries(OPTIONS_OF)) {
    const misplaced = action === other ? undefined : names.find((name) => values[name])
    if (misplaced !== undefined) throw new UsageError(`--${misplaced} is an option of latchkey users ${other}`)
  }
  if (action === 'create' && !values.username && !values.email) {
    throw new UsageError('missing option --username or --email')
  }
  VALUE_OF[action]?.(operands[1])
}

function roleOf(value: string | undefined): 'user' | 'admin' {
  if (value !== 'user' && value !== 'admin') throw new UsageError('the role must be user or admin')
  return value
}

function rolesOf(value: string | undefined): string[] {
  const roles = value === undefined || value === '' ? [] : value.split(',')
  if (value === undefined || !Value.Check(Roles, roles)) {
    throw new UsageError("the roles are up to 32 words of letters, digits and _ . : / -, such as editor,billing; or ''")
  }
  return roles
}

function limitFrom(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError('--limit must be a whole number from 1')
  return Number(text)
}

function report({ lines, json }: Outcome, values: Values): void {
  if (values.json) printJson(json)
  else print(...lines)
}

function outcome(user: User, line: string): Outcome {
  return { lines: [line], json: toAccount(user) }
}

async function create(app: FastifyInstance, values: Values, password: string): Promise<Outcome> {
  const { admin, username, email, name } = values
  const names = { ...(username && { username }), ...(email && { email }), ...(name && { name }) }
  const user = await app.registration.create({ ...names, password }, { role: admin ? 'admin' : 'user' })
  const what = `${admin ? 'the admin' : 'the user'} ${username ?? email} with id ${user.id}`
  return outcome(user, `Created ${what} in ${databaseName(app.config.DATABASE_URL)}.`)
}

async function change(app: FastifyInstance, who: string, changes: Parameters<typeof app.administration.change>[1]) {
  const user = await app.administration.change((await findAccount(app, who)).id, changes, { id: null })
  return outcome(user, `${nameOf(user)} is ${user.isActive ? 'active' : 'disabled'}, with the role ${user.role}.`)
}
