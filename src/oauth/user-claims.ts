import { and, eq, sql } from 'drizzle-orm'
import { wordsOf } from '../clients/scopes.js'
import type { Database } from '../database/database.js'
import type { AuthorizedUser } from '../sessions/client-sessions.js'
import { rolesIn } from '../tokens/roles.js'

/** The user claims for a client: OpenID Connect Core, section 5.1. Claims without a value are omitted. */
interface UserClaims {
  sub: string
  name?: string
  preferred_username?: string
  locale?: string
  email?: string
  email_verified?: boolean
  roles?: string[]
}

/** Reads the claims of users, limited by the granted scope. */
export class UserClaimsReader {
  readonly #select: ReturnType<typeof prepareSelect>

  constructor(database: Database) {
    this.#select = prepareSelect(database)
  }

  /** The claims of an active user; otherwise undefined. Without a scope (a token of Latchkey itself), all claims. */
  async read(userId: number, scope: string | undefined): Promise<UserClaims | undefined> {
    const [user] = await this.#select.execute({ userId })
    return user && claimsOf({ id: userId, ...user }, scope)
  }
}

/** The claims that the scope grants. Without a scope, all claims. */
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
