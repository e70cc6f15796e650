import { and, eq, sql } from 'drizzle-orm'
import { wordsOf } from '../clients/scopes.js'
import type { Database } from '../database/database.js'
import type { AuthorizedUser } from '../sessions/client-sessions.js'
import { rolesIn } from '../tokens/roles.js'

/** What a client learns of a person: OpenID Connect Core, section 5.1. What the account does not have is not there. */
export interface UserClaims {
  sub: string
  name?: string
  preferred_username?: string
  locale?: string
  email?: string
  email_verified?: boolean
  roles?: string[]
}

/** The claims of people, by the scope that a client was granted. */
export class UserClaimsReader {
  readonly #select: ReturnType<typeof prepareSelect>

  constructor(database: Database) {
    this.#select = prepareSelect(database)
  }

  /** The claims of an active user; undefined where there is none. Without a scope, of Latchkey's own client, all of them. */
  async read(userId: number, scope: string | undefined): Promise<UserClaims | undefined> {
    const [user] = await this.#select.execute({ userId })
    return user && claimsOf({ id: userId, ...user }, scope)
  }
}

/** The claims that a scope names; without a scope, all of them. */
export function claimsOf(user: AuthorizedUser & { id: number }, scope: string | undefined): UserClaims {
  const words = scope === undefined ? ['profile', 'email', 'roles'] : wordsOf(scope)
  const { id, name, username, locale, email, emailVerifiedAt, roles } = user
  return {
    sub: String(id),
    ...(words.includes('profile') && {
      ...(name !== null && { name }),
      ...(username !== null && { preferred_username: username }),
      ...(locale !== null && { locale }),
    }),
    ...(words.includes('email') && email !== null && { email, email_verified: emailVerifiedAt !== null }),
    ...(words.includes('roles') && { roles: rolesIn(roles) }),
  }
}

function prepareSelect({ db, tables: { users } }: Database) {
  return db
    .select({
      name: users.name,
      username: users.username,
      locale: users.locale,
      email: users.email,
      emailVerifiedAt: users.emailVerifiedAt,
      roles: users.roles,
    })
    .from(users)
    .where(and(eq(users.id, sql.placeholder('userId')), eq(users.isActive, true)))
    .prepare('select_user_claims')
}
