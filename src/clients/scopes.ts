/** What Latchkey's own routes take scoped tokens for. Every other word is the operator's. */
export const OWN_SCOPES = {
  openid: 'Log in with OpenID Connect.',
  offline_access: 'Stay logged in: refresh tokens.',
  profile: 'Read the account: its names, its language.',
  email: 'Read the e-mail address.',
  roles: 'Read the roles for other services.',
  'todos:read': 'Read the todos.',
  'todos:write': 'Create, change and delete todos.',
  'tutorials:read': 'Read the tutorials.',
  'tutorials:write': 'Create, change and delete tutorials.',
  'users:read': 'Read accounts, as an admin.',
  'users:write': 'Change accounts, as an admin.',
  'events:read': 'Read the audit log, as an admin.',
} as const
export type OwnScope = keyof typeof OWN_SCOPES

/** What belongs to a user: a client that acts for itself has none of it. */
const OF_USERS: ReadonlySet<string> = new Set<OwnScope>([
  'openid',
  'offline_access',
  'profile',
  'email',
  'roles',
  'todos:read',
  'todos:write',
  'tutorials:read',
  'tutorials:write',
])
/** What only a log-in gives: no key has it. The routes of `users:write` want a recent one. */
const OF_LOGINS: ReadonlySet<string> = new Set<OwnScope>(['openid', 'offline_access', 'roles', 'users:write'])
/** What belongs to admins. */
const OF_ADMINS: ReadonlySet<string> = new Set<OwnScope>(['users:read', 'users:write', 'events:read'])

/** A word of a scope, RFC 6749 section 3.3, as part of a pattern. */
const WORD = '[!#-\\[\\]-~]{1,64}'
const WORDS_MAX = 64
export const SCOPE_WORD_PATTERN = `^${WORD}$`
/** Words with one space between them. */
export const SCOPE_PATTERN = `^${WORD}( ${WORD}){0,${WORDS_MAX - 1}}$`
/** The longest text of this pattern. */
export const SCOPE_MAX_LENGTH = WORDS_MAX * 65

/** The words of a scope. */
export function wordsOf(scope: string): string[] {
  return scope === '' ? [] : scope.split(' ')
}

/** The words of a scope, each once and in their order, as they are stored. */
export function storedScope(scope: string): string {
  return [...new Set(wordsOf(scope))].join(' ')
}

/** Whether a token without a user may have this word. */
export function isForClients(word: string): boolean {
  return !OF_USERS.has(word)
}

/** Whether an API key of somebody with this role may have the word. */
export function isForKeys(word: string, role: 'user' | 'admin'): boolean {
  return !OF_LOGINS.has(word) && (role === 'admin' || !OF_ADMINS.has(word))
}
