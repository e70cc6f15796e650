import { emailKey } from '../accounts/names.js'
import type { User } from '../accounts/user-rows.js'
import { Problem } from '../problems.js'

const NAME_SHOWN = 64

/**
 * An address in the form for delivery, with its domain in ASCII. Undefined for an invalid address: imported accounts
 * may hold anything.
 */
export function deliverable(address: string): string | undefined {
  try {
    const key = emailKey(address)
    const local = address.normalize('NFKC').trim()
    return local.slice(0, local.lastIndexOf('@')) + key.slice(key.lastIndexOf('@'))
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

/**
 * The name of an account in a mail. Anybody can register another person's address with a name such as
 * `free-money.example`, and mail programs turn such a name into a link: an invisible word joiner after each dot
 * prevents that. Display names, which may hold whole sentences, are not shown at all.
 */
export function shownName({ username, email }: Pick<User, 'username' | 'email'>): string {
  const name = username ?? (email ?? '').replace(/^(.).*@/su, '$1***@')
  return [...name].slice(0, NAME_SHOWN).join('').replaceAll('.', '.\u2060')
}
