import { emailKey } from '../accounts/names.js'
import type { User } from '../accounts/user-rows.js'
import { Problem } from '../problems.js'

const NAME_SHOWN = 64

/** The form in which the Internet knows an address. Undefined for what is none: imported accounts may hold anything. */
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
 * What the account is called in a mail. Anybody can register a stranger's address under a name such as `free-money.example`,
 * and mail programs make a link of such a name: an invisible word joiner behind each dot keeps them from it. Display names,
 * which may hold whole sentences, are not shown at all.
 */
export function shownName({ username, email }: Pick<User, 'username' | 'email'>): string {
  const name = username ?? (email ?? '').replace(/^(.).*@/su, '$1***@')
  return [...name].slice(0, NAME_SHOWN).join('').replaceAll('.', '.\u2060')
}
