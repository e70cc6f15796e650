/** The scopes of Latchkey's own routes. All other words belong to the operator's services. */
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
type OwnScope = keyof typeof OWN_SCOPES

/** Scopes that need a user: a client that acts for itself cannot have them. */
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
/** Scopes that need a log-in: no API key has them. The routes of `users:write` require a recent one. */
const OF_LOGINS: ReadonlySet<string> = new Set<OwnScope>(['openid', 'offline_access', 'roles', 'users:write'])
/** Scopes of admins. */
const OF_ADMINS: ReadonlySet<string> = new Set<OwnScope>(['users:read', 'users:write', 'events:read'])

/** A word of a scope, RFC 6749 section 3.3, as part of a pattern. */
const WORD = '[!#-\\[\\]-~]{1,64}'
const WORDS_MAX = 64
export const SCOPE_WORD_PATTERN = `^${WORD}$`
/** Words with one space between them. */
export const SCOPE_PATTERN = `^${WORD}( ${WORD}){0,${WORDS_MAX - 1}}$`
/** The longest text that matches this pattern. */
export const SCOPE_MAX_LENGTH = WORDS_MAX * 65

/** The words of a scope. */
export function wordsOf(scope: string): string[] {
  return scope === '' ? [] : scope.split(' ')
}

/** A scope as stored: each word once, in the given order. */
export function storedScope(scope: string): string {
  return [...new Set(wordsOf(scope))].join(' ')
}

/** Whether a token without a user may have this word. */
export function isForClients(word: string): boolean {
  return !OF_USERS.has(word)
}

/** Whether an API key of a user with this role may have the word. */
export function isForKeys(word: string, role: 'user' | 'admin'): boolean {
  return !OF_LOGINS.has(word) && (role === 'admin' || !OF_ADMINS.has(word))
}
