import { emailKey, identifierKey, isDisplayable, usernameKey } from '../accounts/names.js'
import { isName } from '../compat/tutorial.js'
import type { MappedTable } from './columns.js'
import { timeOf } from './dates.js'
import { type Objection, objectionsTo } from './objections.js'
import { type IdFault, readOldId } from './old-ids.js'
import { type Password, type Plaintext, readPassword } from './password.js'
import type { Row } from './source.js'
import { isYes } from './status-values.js'
import { isAbsent, isPadded, secretTextOf, textOf } from './values.js'

/** What is stored for somebody who comes without a password: no hash, so that every password is wrong. */
export const NO_PASSWORD = '!'
/** Nobody can see or type these in a name. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{C}\p{Zl}\p{Zp}]/u

/** How rows of people are read. */
export interface ReadOptions {
  plaintext: Plaintext
  /** Milliseconds since 1970: what was blocked until an earlier time is blocked no more. */
  now: number
}

/** What sets a name apart from those that people may register. */
export type Oddity = 'invisible' | 'reserved' | 'other'

/** Somebody as they would be here. */
export interface ImportedUser {
  oldId: string
  username: string | null
  usernameKey: string | null
  email: string | null
  emailKey: string | null
  name: string | null
  password: Password
  isActive: boolean
  /** Why somebody is not active: the columns that say so. */
  objections: Objection[]
  /** Was an admin there; here nobody becomes one by an import. */
  wasAdmin: boolean
  /** Why somebody could not register here by this name; they log in by it all the same. Null for any other name. */
  oddity: Oddity | null
  /** There were blanks or line ends around the id, a name or the password. */
  isPadded: boolean
  /** In milliseconds since 1970; null when the source does not say, or not in a way that can be told. */
  createdAt: number | null
  /** The source says when, in a way that cannot be told. */
  hasUnknownTime: boolean
  /** There is a display name that cannot be kept: too long, or with NUL in it. */
  isNameLost: boolean
}

export type UserSkip = IdFault | 'nothing to log in with' | 'a name that cannot be kept'

/** Reads a row of people; a text says why it cannot be taken over. */
export function readUser(row: Row, table: MappedTable, options: ReadOptions): ImportedUser | UserSkip {
  const { columns } = table
  const value = (field: string) => (columns[field] === undefined ? undefined : row[columns[field]])
  const email = presentText(value('email'))
  // "None" may be a user name, but hardly that of somebody who has an address.
  const username = email === null ? textOf(value('username')) : presentText(value('username'))
  const name = presentText(value('name'))
  if (username === null && email === null) return 'nothing to log in with'
  const old = readOldId(columns.id === undefined ? (username ?? email) : value('id'))
  if ('fault' in old) return old.fault
  const oldId = old.id
  if ([oldId, username, email].some((text) => text !== null && !isName(text))) return 'a name that cannot be kept'
  const objections = objectionsTo(row, table, options.now)
  const createdAt = timeOf(value('created'))
  return {
    oldId,
    username,
    usernameKey: username && identifierKey(username),
    email,
    emailKey: email && identifierKey(email),
    name: name !== null && isName(name) ? name : null,
    password: readPassword(secretTextOf(value('password')), options.plaintext),
    isActive: objections.length === 0,
    objections,
    wasAdmin: isYes(value('admin')),
    oddity: oddityOf(username, email, name),
    isPadded: ['id', 'username', 'email', 'password'].some((field) => isPadded(value(field))),
    createdAt: createdAt ?? null,
    hasUnknownTime: createdAt === undefined,
    isNameLost: name !== null && !isName(name),
  }
}

function presentText(value: unknown): string | null {
  return isAbsent(value) ? null : textOf(value)
}

function oddityOf(username: string | null, email: string | null, name: string | null): Oddity | null {
  if ([username, email].some((name) => name !== null && INVISIBLE.test(name))) return 'invisible'
  const allows = (rule: () => string) => {
    try {
      return rule() !== ''
    } catch {
      return false
    }
  }
  if (!isDisplayable(name ?? '') || (email !== null && !allows(() => emailKey(email)))) return 'other'
  if (username === null || allows(() => usernameKey(username))) return null
  return allows(() => usernameKey(username, { allowReserved: true })) ? 'reserved' : 'other'
}
