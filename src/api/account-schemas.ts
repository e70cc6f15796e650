import { type Static, Type } from '@sinclair/typebox'
import type { User as UserRow } from '../accounts/user-rows.js'
import type { Tokens } from '../sessions/token-pairs.js'
import type { Role as RoleName } from '../tokens/access-tokens.js'
import { ROLES_ARE, rolesIn } from '../tokens/roles.js'
import { createdAt, idOf, nullable, oneOf, ref, updatedAt } from './schemas.js'
import { timestamp } from './times.js'

export const locale = nullable({
  maxLength: 35,
  pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$',
  description: 'The language for mails to you, as a BCP 47 tag such as `en` or `ko-KR`.',
})

export const Role = oneOf<RoleName>(['user', 'admin'], { description: 'The role in Latchkey.' })

const USER_EXAMPLE = {
  id: 1,
  username: 'mina',
  email: 'mina@example.com',
  email_verified: true,
  pending_email: null,
  name: 'Mina',
  role: 'user',
  roles: ['editor'],
  locale: 'ko',
  created_at: '2026-11-20T09:00:00.000Z',
  updated_at: '2026-11-20T09:00:00.000Z',
}

export const User = Type.Object(
  {
    id: idOf('The id of the account, never reused. The `sub` claim of its access tokens is the same id as a string.'),
    username: nullable({ description: 'The user name, as registered.' }),
    email: nullable({ description: 'The e-mail address, as registered.' }),
    email_verified: Type.Boolean({ description: 'Whether the e-mail address was confirmed.' }),
    pending_email: nullable({ description: 'A new e-mail address that replaces `email` once it is confirmed.' }),
    name: nullable({ description: 'Display name.' }),
    role: Role,
    roles: Type.Array(Type.String(), { description: ROLES_ARE }),
    locale: nullable({ description: 'The language for mails to the user, as a BCP 47 tag.' }),
    created_at: createdAt,
    updated_at: updatedAt,
  },
  {
    $id: 'User',
    description: 'An account, as shown to its owner.',
    examples: [USER_EXAMPLE],
  },
)

/** The token response of log-ins and refreshes, also of the OAuth 2 token endpoint, RFC 6749 section 5.1. */
const accessTokenFields = {
  access_token: Type.String({
    description: 'A JWT for the Authorization header. Other services can verify it offline.',
  }),
  token_type: oneOf(['Bearer'], {
    description: 'The token type. Send the access token as `Authorization: Bearer ...`.',
  }),
  expires_in: Type.Integer({ description: 'The lifetime of the access token, in seconds.' }),
}
const tokenFields = {
  ...accessTokenFields,
  refresh_token: Type.String({ description: 'A token that can be exchanged once for the next pair of tokens.' }),
}

const ACCESS_TOKEN_EXAMPLE = {
  access_token: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl',
  token_type: 'Bearer',
  expires_in: 600,
}
const TOKEN_EXAMPLE = {
  ...ACCESS_TOKEN_EXAMPLE,
  refresh_token: 'lkr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
}

export const TokenPair = Type.Object(tokenFields, {
  $id: 'TokenPair',
  description: 'An access token and a refresh token.',
  examples: [TOKEN_EXAMPLE],
})

export const FreshToken = Type.Object(accessTokenFields, {
  $id: 'FreshToken',
  description: 'An access token with a new `auth_time`.',
  examples: [ACCESS_TOKEN_EXAMPLE],
})

export const Account = Type.Object(
  {
    ...User.properties,
    is_active: Type.Boolean({ description: 'Whether the user can log in. False for a disabled account.' }),
  },
  {
    $id: 'Account',
    description: 'An account, as shown to admins.',
    examples: [{ ...USER_EXAMPLE, is_active: true }],
  },
)

export const Login = Type.Object(
  { user: ref(User), ...tokenFields },
  {
    $id: 'Login',
    description: 'The account and its tokens.',
    examples: [{ user: USER_EXAMPLE, ...TOKEN_EXAMPLE }],
  },
)

/** Longer than any token that fits into the headers of a request. An access token with 64 scopes has 6,000 characters. */
export const TOKEN_MAX_LENGTH = 8_192

export const RefreshToken = Type.Object(
  {
    refresh_token: Type.String({
      minLength: 1,
      maxLength: TOKEN_MAX_LENGTH,
      description: 'The latest refresh token of the session.',
    }),
  },
  {
    $id: 'RefreshToken',
    additionalProperties: false,
    description: 'The refresh token of a session.',
    examples: [{ refresh_token: TOKEN_EXAMPLE.refresh_token }],
  },
)

/** The columns that users see of their own row. */
export function toUser(user: UserRow): Static<typeof User> {
  return {
    id: user.id,
    username: user.username,
    email: user.email,
    email_verified: user.emailVerifiedAt !== null,
    pending_email: user.pendingEmail,
    name: user.name,
    role: user.role,
    roles: rolesIn(user.roles),
    locale: user.locale,
    created_at: timestamp(user.createdAt),
    updated_at: timestamp(user.updatedAt),
  }
}

export function toAccount(user: UserRow): Static<typeof Account> {
  return { ...toUser(user), is_active: user.isActive }
}

export function toLogin(user: UserRow, tokens: Tokens): Static<typeof Login> {
  return { user: toUser(user), ...tokens }
}
