import { Type } from '@sinclair/typebox'
import { IDENTIFIER_MAX_LENGTH, NAME_MAX_LENGTH } from '../text-lengths.js'
import { Roles } from '../tokens/roles.js'
import { Account, Role } from './account-schemas.js'
import { nextCursor, pageQuery } from './paging.js'
import { nullable, pageOf } from './schemas.js'

// The requests and responses of /v1/users.

export const AccountUpdate = Type.Object(
  {
    role: Type.Optional(Role),
    roles: Type.Optional(Roles),
    is_active: Type.Optional(Type.Boolean({ description: 'Whether the user can log in. False disables the account.' })),
  },
  {
    $id: 'AccountUpdate',
    additionalProperties: false,
    minProperties: 1,
    description: 'The fields to change. Omitted fields keep their values.',
    examples: [{ is_active: false }],
  },
)

export const AccountCreate = Type.Object(
  {
    username: Type.Optional(nullable({ maxLength: 128, description: 'A user name to log in with.' })),
    email: Type.Optional(
      nullable({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'An e-mail address to log in with.' }),
    ),
    name: Type.Optional(nullable({ maxLength: NAME_MAX_LENGTH, description: 'Display name, on one line.' })),
    role: Type.Optional(Role),
    roles: Type.Optional(Roles),
    invite: Type.Optional(Type.Boolean({ description: 'Whether to mail the user a link to choose a password.' })),
  },
  {
    $id: 'AccountCreate',
    additionalProperties: false,
    description:
      'A new account with a user name, an e-mail address, or both. Null and the empty string are treated as ' +
      'omitted.',
    examples: [{ username: 'hana', email: 'hana@example.com', name: 'Hana', roles: ['editor'] }],
  },
)

/** The filters of the list of accounts. */
export const AccountQuery = Type.Object(
  {
    search: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: 'A part of the user name, the e-mail address or the display name.',
      }),
    ),
    username: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: IDENTIFIER_MAX_LENGTH,
        description: 'A user name. Only the account with this user name is listed.',
      }),
    ),
    email: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: IDENTIFIER_MAX_LENGTH,
        description: 'An e-mail address. Only the account with this address is listed.',
      }),
    ),
    role: Type.Optional(Role),
    is_active: Type.Optional(
      Type.Boolean({ description: 'True to list only active accounts, false to list only disabled accounts.' }),
    ),
    ...pageQuery,
  },
  { additionalProperties: false },
)

export const AccountPage = Type.Object(
  { items: pageOf(Account), next_cursor: nextCursor },
  {
    $id: 'AccountPage',
    description: 'A page of accounts, newest first.',
    examples: [{ items: Account.examples, next_cursor: null }],
  },
)

export const PasswordReset = Type.Object(
  {
    token: Type.String({ description: 'The token for POST /v1/password-reset. The token is shown only once.' }),
    expires_at: Type.String({ format: 'date-time', description: 'Expiry of the token, in UTC.' }),
  },
  {
    $id: 'PasswordReset',
    description: 'A one-time token that sets a new password.',
    examples: [{ token: 'Zm9yLXRoaXMtcGFnZS1hbG9uZS0tLS0tLS0tLS0tLS0', expires_at: '2026-11-20T10:00:00.000Z' }],
  },
)
