import { and, eq, sql } from 'drizzle-orm'
import { wordsOf } from '../clients/scopes.js'
import type { Database } from '../database/database.js'
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
    if (user === undefined) return undefined
    const words = scope === undefined ? ['profile', 'email', 'roles'] : wordsOf(scope)
    const { name, username, locale, email, emailVerifiedAt, roles } = user
    return {
      sub: String(userId),
      ...(words.includes('profile') && {
        ...(name !== null && { name }),
        ...(username !== null && { preferred_username: username }),
        ...(locale !== null && { locale }),
      }),
      ...(words.includes('email') && email !== null && { email, email_verified: emailVerifiedAt !== null }),
      ...(words.includes('roles') && { roles: rolesIn(roles) }),
    }
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
