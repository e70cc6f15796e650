import { isName } from '../compat.js'
import { emailKey, fold, isDisplayable, usernameKey } from '../identifiers.js'
import { formatOf } from '../password-hashes.js'
import { assertPasswordText, isTooLongForPassword } from '../password-text.js'
import type { MappedTable } from './columns.js'
import { timeOf } from './dates.js'
import { type IdFault, readOldId } from './old-ids.js'
import type { Row } from './source.js'
import { isYes, textOf } from './values.js'

/** What is stored for somebody who comes without a password: no hash, so that every password is wrong. */
export const NO_PASSWORD = '!'
/** Django's and crypt(3)'s marks for the same. */
const UNUSABLE = /^[!*]/

export type Password =
  | { kind: 'hash'; hash: string; format: string; isTooDear: boolean }
  | { kind: 'plaintext'; plaintext: string }
  | { kind: 'none'; reason: 'empty' | 'unusable' | 'unknown' }

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
  /** Was an admin there; here nobody becomes one by an import. */
  wasAdmin: boolean
  /** Could not register here with these names, and logs in all the same. */
  isOutsideRules: boolean
  /** In milliseconds since 1970; null when the source does not say. */
  createdAt: number | null
}

export type UserSkip = IdFault | 'nothing to log in with' | 'a name that cannot be kept'

/** Reads a row of people; a text says why it cannot be taken over. */
export function readUser(row: Row, { columns }: MappedTable, isPlaintext: boolean): ImportedUser | UserSkip {
  const value = (field: string) => (columns[field] === undefined ? undefined : row[columns[field]])
  const username = textOf(value('username'))
  const email = textOf(value('email'))
  const name = textOf(value('name'))
  if (username === null && email === null) return 'nothing to log in with'
  const old = readOldId(columns.id === undefined ? (username ?? email) : value('id'))
  if ('fault' in old) return old.fault
  const oldId = old.id
  if ([oldId, username, email].some((text) => text !== null && !isName(text))) return 'a name that cannot be kept'
  return {
    oldId,
    username,
    usernameKey: username && fold(username),
    email,
    emailKey: email && fold(email),
    name: name !== null && isName(name) ? name : null,
    password: readPassword(textOf(value('password')), isPlaintext),
    isActive: columns.active === undefined || isYes(value('active')),
    wasAdmin: isYes(value('admin')),
    isOutsideRules: isRefused(username, usernameKey) || isRefused(email, emailKey) || !isDisplayable(name ?? ''),
    createdAt: timeOf(value('created')) ?? null,
  }
}

function readPassword(stored: string | null, isPlaintext: boolean): Password {
  if (stored === null) return { kind: 'none', reason: 'empty' }
  const known = formatOf(stored)
  if (known !== undefined) return { kind: 'hash', hash: stored, ...known }
  if (isPlaintext && isPasswordText(stored)) return { kind: 'plaintext', plaintext: stored }
  return { kind: 'none', reason: UNUSABLE.test(stored) ? 'unusable' : 'unknown' }
}

function isPasswordText(text: string): boolean {
  if (isTooLongForPassword(text)) return false
  try {
    assertPasswordText(text)
    return true
  } catch {
    return false
  }
}

function isRefused(name: string | null, rule: (name: string) => string): boolean {
  if (name === null) return false
  try {
    rule(name)
    return false
  } catch {
    return true
  }
}
