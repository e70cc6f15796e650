import { Type } from '@sinclair/typebox'

const ROLES_MAX = 32
export const ROLES_ARE = 'The roles in your own services: the claim `roles` of the access tokens.'

/**
 * Roles of a user in the operator's other services: the claim `roles` of the access tokens (RFC 9068 section 2.2.3.1).
 * Latchkey's own routes never check them.
 */
export const Roles = Type.Array(
  Type.String({
    pattern: '^[A-Za-z0-9_.:/-]{1,64}$',
    description: 'A role. It may contain letters, digits and `_ . : / -`.',
  }),
  {
    maxItems: ROLES_MAX,
    uniqueItems: true,
    description: ROLES_ARE,
  },
)

/** The roles in the column `users.roles`. */
export function rolesIn(text: string): string[] {
  return text === '' ? [] : text.split(' ')
}

/** The column value for these roles. Sorted, so that equal sets are equal texts. */
export function storedRoles(roles: readonly string[]): string {
  return [...roles].sort().join(' ')
}
