import { and, asc, eq, gt, inArray, or } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { identifierKey, normalizeName } from '../accounts/names.js'
import { isKept, matches, type User } from '../accounts/user-rows.js'
import { toAccount } from '../api/account-schemas.js'
import { CommandError } from '../command-error.js'
import { print, printableJson } from '../terminal.js'
import { rowPages } from './row-pages.js'

const HEADER = '      id  role   status    names'

/** The account with this user name, address or id. @throws CommandError if there is none, or more than one */
export async function findAccount({ database: { db, tables } }: FastifyInstance, who: string): Promise<User> {
  const { users } = tables
  const keys = [identifierKey(who), normalizeName(who)]
  const id = /^[1-9]\d{0,14}$/.test(who) ? and(eq(users.id, Number(who)), isKept(tables)) : undefined
  const [user, ...others] = await db
    .select()
    .from(users)
    .where(or(inArray(users.usernameKey, keys), inArray(users.emailKey, keys), id))
  if (user === undefined) throw new CommandError(`there is no user "${who}"`)
  if (others.length > 0) {
    throw new CommandError(`"${who}" is ambiguous: ${[user, ...others].map(nameOf).join(' or ')}; use the id`)
  }
  return user
}

/** The name of an account in messages. */
export function nameOf({ username, email, id }: User): string {
  return `${username ?? email} (id ${id})`
}

/** An account as text, one line per field. */
export function describeAccount(user: User): string[] {
  return Object.entries(toAccount(user)).map(([field, value]) => `${field.padEnd(12)} ${value ?? '-'}`)
}

/** Prints the first accounts whose names contain `search`, or the first of all. On a terminal, prints a header too. */
export async function printAccounts(
  app: FastifyInstance,
  { search, limit, json }: { search: string | undefined; limit: number; json: boolean },
): Promise<void> {
  const { db, tables } = app.database
  if (process.stdout.isTTY && !json) print(HEADER)
  const after = (count: number, last: User | undefined) =>
    db
      .select()
      .from(tables.users)
      .where(and(gt(tables.users.id, last?.id ?? 0), isKept(tables), search ? matches(tables, search) : undefined))
      .orderBy(asc(tables.users.id))
      .limit(count)
  for await (const page of rowPages<User>(after, limit)) {
    print(...page.map((user) => (json ? printableJson(toAccount(user)) : line(user))))
  }
}

function line({ id, role, isActive, username, email, name }: User): string {
  const names = [username, email, name && `(${name})`].filter(Boolean).join(' ')
  return `${String(id).padStart(8)}  ${role.padEnd(5)}  ${isActive ? 'active  ' : 'disabled'}  ${names}`
}
