import { Type } from '@sinclair/typebox'

const ROLES_MAX = 32
export const ROLES_ARE = 'What the person is for your own services: the claim `roles` of the access tokens.'

/**
 * What a person is for the operator's other services: the claim `roles` of the access tokens, as RFC 9068 section 2.2.3.1
 * has it. Latchkey's own routes never look at them.
 */
export const Roles = Type.Array(
  Type.String({ pattern: '^[A-Za-z0-9_.:/-]{1,64}$', description: 'Letters, digits and `_ . : / -`.' }),
  {
    maxItems: ROLES_MAX,
    uniqueItems: true,
    description: ROLES_ARE,
  },
)

/** The words of a column of `users`. */
export function rolesIn(text: string): string[] {
  return text === '' ? [] : text.split(' ')
}

/** What is stored for these words: in one order, so that the same set is the same text. */
export function storedRoles(roles: readonly string[]): string {
  return [...roles].sort().join(' ')
}
