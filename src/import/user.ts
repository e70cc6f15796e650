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

/** Stored for users without a password. It is not a hash, so every password is wrong. */
export const NO_PASSWORD = '!'
/** Invisible characters, which cannot be typed in a name. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{C}\p{Zl}\p{Zp}]/u

/** Options for reading rows of users. */
export interface ReadOptions {
  plaintext: Plaintext
  /** Milliseconds since 1970: a block that expired before this time no longer counts. */
  now: number
}

/** Why a name could not be registered here. */
export type Oddity = 'invisible' | 'reserved' | 'other'

/** A user as it will be stored here. */
export interface ImportedUser {
  oldId: string
  username: string | null
  usernameKey: string | null
  email: string | null
  emailKey: string | null
  name: string | null
  password: Password
  isActive: boolean
  /** The columns that make the user inactive. */
  objections: Objection[]
  /** Whether the user was an admin. An import never makes admins. */
  wasAdmin: boolean
  /** Why this name could not be registered here; the user can log in with it nevertheless. Null for other names. */
  oddity: Oddity | null
  /** Whether there were blanks or line ends around the id, a name or the password. */
  isPadded: boolean
  /** In milliseconds since 1970; null if the source has no time, or an unreadable one. */
  createdAt: number | null
  /** Whether the source has an unreadable time. */
  hasUnknownTime: boolean
  /** Whether the display name cannot be stored: too long, with NUL in it, or no text. */
  isNameLost: boolean
}

type UserSkip = IdFault | 'nothing to log in with' | 'a name that cannot be kept'

/** Reads a row of users. Returns a text, the reason, if the row is skipped. */
export function readUser(row: Row, table: MappedTable, options: ReadOptions): ImportedUser | UserSkip {
  const { columns } = table
  const value = (field: string) => (columns[field] === undefined ? undefined : row[columns[field]])
  const email = presentText(value('email'))
  // "None" may be a user name, but hardly that of a user with an address.
  const username = email === null ? textOf(value('username')) : presentText(value('username'))
  const name = presentText(value('name'))
  if ([value('username'), value('email')].some(isNoText)) return 'a name that cannot be kept'
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
    isNameLost: name === null ? isNoText(value('name')) : !isName(name),
  }
}

/** Whether a value is present and cannot be read as text, such as a list of addresses. */
function isNoText(value: unknown): boolean {
  return !isAbsent(value) && textOf(value) === null
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
