import { type Static, type TSchema, Type } from '@sinclair/typebox'
import type { User as UserRow } from '../accounts/user-rows.js'
import { PROBLEMS, type ProblemCode, Problem as PublicProblem } from '../problems.js'
import type { Tokens } from '../sessions/token-pairs.js'
import type { Role as RoleName } from '../tokens/access-tokens.js'
import { ROLES_ARE, rolesIn } from '../tokens/roles.js'
import { timestamp } from './times.js'

/** A reference to a schema that was added to the app: a name in the document, and its type in the code. */
export function ref<Schema extends TSchema>(schema: Schema) {
  return Type.Unsafe<Static<Schema>>(Type.Ref(schema.$id ?? ''))
}

/** A string that may be null, in the one form that documents, validators and generated clients all understand. */
export function nullable(options: Record<string, unknown>) {
  return Type.Unsafe<string | null>({ type: ['string', 'null'], ...options })
}

/** One of a few words, in the one form that documents and generated clients all understand. */
export function oneOf<const Word extends string>(words: readonly Word[], options: Record<string, unknown> = {}) {
  return Type.Unsafe<Word>({ type: 'string', enum: [...words], ...options })
}

/** A language as in BCP 47, as a client sends it. */
export const locale = nullable({
  maxLength: 35,
  pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$',
  description: 'The language to write to you in, as in BCP 47: `en`, `ko-KR`.',
})

export const Role = oneOf<RoleName>(['user', 'admin'], { description: "The person's role." })

/** When a row was made and last changed. */
export const createdAt = Type.String({ format: 'date-time', description: 'When it was created, in UTC.' })
export const updatedAt = Type.String({ format: 'date-time', description: 'When it last changed, in UTC.' })

/**
 * An id. With `int64`, because generated clients of typed languages take a plain integer for one of 32 bits, and imported
 * ids are larger.
 */
export function idOf(description: string, bounds: { minimum?: number; maximum?: number } = {}) {
  return Type.Integer({ format: 'int64', ...bounds, description })
}

/** An id that a client sends: at most what JavaScript counts exactly. */
export function sentId(description: string) {
  return idOf(description, { minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
}

/** The id of a row in an answer. */
export const rowId = idOf('Its id, for the path.')

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A URN that names the kind of problem.' }),
    title: Type.String({ description: 'What went wrong, as text for people.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    code: Type.String({
      description: 'What went wrong, for programs. A code never changes its meaning; later versions may add codes.',
      // Not `enum`: a client generated today must still read a code that is added tomorrow.
      'x-extensible-enum': Object.keys(PROBLEMS),
    }),
    detail: Type.Optional(Type.String({ description: 'What is wrong with this request in particular.' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          in: Type.String({ description: 'The part of the request: body, querystring, params or headers.' }),
          path: Type.String({ description: 'Where in that part, as a JSON pointer.' }),
          message: Type.String({ description: 'What is wrong, as text for people.' }),
        }),
        { description: 'Every part of the request that does not match the schema.' },
      ),
    ),
    request_id: Type.String({ description: "The request's id, as it is in the log." }),
  },
  {
    $id: 'Problem',
    description: 'An error as RFC 9457 defines it, with a stable code.',
    examples: [new PublicProblem('not_found').toBody('fq3k1z-2b')],
  },
)

const USER_EXAMPLE = {
  id: 1,
  username: 'mina',
  email: 'mina@example.com',
  name: 'Mina',
  role: 'user',
  roles: ['editor'],
  locale: 'ko',
  created_at: '2026-11-20T09:00:00.000Z',
  updated_at: '2026-11-20T09:00:00.000Z',
}

export const User = Type.Object(
  {
    id: idOf('Never given to anybody else; `sub` of the access tokens, as text.'),
    username: nullable({ description: 'The user name, as registered.' }),
    email: nullable({ description: 'The e-mail address, as registered.' }),
    name: nullable({ description: 'Display name.' }),
    role: Role,
    roles: Type.Array(Type.String(), { description: ROLES_ARE }),
    locale: nullable({ description: 'The language to write to the person in, as in BCP 47.' }),
    created_at: createdAt,
    updated_at: updatedAt,
  },
  {
    $id: 'User',
    description: 'An account, as its owner sees it.',
    examples: [USER_EXAMPLE],
  },
)

/** What both log-ins and refreshes answer; also the OAuth 2 token endpoint, RFC 6749 section 5.1. */
const tokenFields = {
  access_token: Type.String({ description: 'A JWT for the Authorization header; other services verify it offline.' }),
  token_type: oneOf(['Bearer'], { description: 'How to send it: `Authorization: Bearer ...`.' }),
  expires_in: Type.Integer({ description: 'How long the access token lives, in seconds.' }),
  refresh_token: Type.String({ description: 'Exchanges once for the next pair of tokens.' }),
}

const TOKEN_EXAMPLE = {
  access_token: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl',
  token_type: 'Bearer',
  expires_in: 600,
  refresh_token: 'lkr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
}

export const TokenPair = Type.Object(tokenFields, {
  $id: 'TokenPair',
  description: 'An access token, and the refresh token that gets the next pair.',
  examples: [TOKEN_EXAMPLE],
})

export const Account = Type.Object(
  { ...User.properties, is_active: Type.Boolean({ description: 'Whether the person can log in.' }) },
  {
    $id: 'Account',
    description: 'An account, as admins see it.',
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

/** Longer than any token, also one of the other kind that is sent by mistake. */
export const TOKEN_MAX_LENGTH = 4_096

export const RefreshToken = Type.Object(
  {
    refresh_token: Type.String({
      minLength: 1,
      maxLength: TOKEN_MAX_LENGTH,
      description: 'The newest refresh token of the session.',
    }),
  },
  {
    $id: 'RefreshToken',
    additionalProperties: false,
    description: 'The refresh token of a session.',
    examples: [{ refresh_token: TOKEN_EXAMPLE.refresh_token }],
  },
)

/** What people see of their row. */
export function toUser(user: UserRow): Static<typeof User> {
  return {
    id: user.id,
    username: user.username,
    email: user.email,
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

/** The rows of a page of a list. */
export function pageOf<Schema extends TSchema>(schema: Schema) {
  return Type.Array(ref(schema), { description: 'The rows of this page.' })
}

/** A row's id in a path. As text, so that `0x10` or a blank is refused. */
export const IdParams = Type.Object({ id: sentId('The id of the row.') })

/** What a status means, and the code that it usually has. */
const ERRORS: Record<number, { description: string; code: ProblemCode }> = {
  400: { description: 'The request is not valid; `code` and `errors` say why.', code: 'validation_failed' },
  401: { description: 'No access token was sent, or it is not valid.', code: 'invalid_token' },
  403: { description: 'The access token lacks the scope or the role for this.', code: 'insufficient_scope' },
  404: { description: 'There is no such row, or it is not yours.', code: 'not_found' },
  409: { description: 'The name is taken, or the request conflicts with the current state.', code: 'username_taken' },
  412: { description: 'The row has changed since it was read.', code: 'precondition_failed' },
  413: { description: 'The body is too large.', code: 'body_too_large' },
  415: { description: 'The body has another Content-Type than this operation takes.', code: 'unsupported_media_type' },
  429: { description: 'Too many tries; see Retry-After.', code: 'too_many_attempts' },
  431: { description: 'The headers are too large.', code: 'headers_too_large' },
  500: { description: 'A bug in the service; `request_id` finds it in the log.', code: 'internal_error' },
  503: { description: 'Temporarily unavailable; see Retry-After.', code: 'database_unavailable' },
}

export const retryAfter = { 'Retry-After': Type.Integer({ description: 'Seconds to wait before trying again.' }) }

const HEADERS: Record<number, Record<string, TSchema>> = {
  401: { 'WWW-Authenticate': Type.String({ description: 'RFC 6750 section 3.' }) },
  429: retryAfter,
  503: retryAfter,
}

/** The answers of these statuses, all of them a Problem, those that every operation may give, and all that may come. */
export function problems<const Status extends number>(...statuses: Status[]) {
  // Wherever a token can be invalid, it can also be one that does not reach so far.
  const guarded = (statuses as number[]).includes(401) ? [403] : []
  const all = [...new Set([...statuses, ...guarded, 500, 503])].sort()
  return {
    ...Object.fromEntries(all.map((status) => [status, problemAnswer(status)])),
    // What comes before the operation: 405, 408, 431. One shape, so that clients need no other.
    default: { description: 'Any other error.', content: problemContent('method_not_allowed') },
  } as unknown as Record<Status | 500 | 503, TSchema>
}

/** The answer of one status, whose example has another code than that status usually has. */
export function problemAnswer(status: number, code?: ProblemCode): TSchema {
  const { description, code: usual } = ERRORS[status] ?? { description: 'An error.', code: 'internal_error' }
  return {
    description,
    ...(HEADERS[status] && { headers: HEADERS[status] }),
    content: problemContent(code ?? usual),
  } as unknown as TSchema
}

function problemContent(code: ProblemCode) {
  const errors = code === 'validation_failed' ? [{ in: 'body', path: '/name', message: 'must be a string' }] : undefined
  const example = new PublicProblem(code, { ...(errors && { errors }) }).toBody('fq3k1z-2b')
  return { 'application/problem+json': { schema: ref(Problem), example } }
}

/** An answer without a body. */
export function noContent(description: string, headers?: Record<string, TSchema>) {
  return Type.Unsafe<undefined>(Type.Null({ description, ...(headers && { headers }) }))
}

export const etagHeader = {
  ETag: Type.String({ description: 'Changes with the row; for If-Match and If-None-Match.' }),
}

/** An answer that is one row, with its ETag. */
export function rowAnswer<Schema extends TSchema>(schema: Schema) {
  return {
    description: 'The row.',
    headers: etagHeader,
    content: { 'application/json': { schema: ref(schema) } },
  }
}

export const ifMatch = Type.Object({
  'if-match': Type.Optional(Type.String({ description: "Makes the change only if this is still the row's ETag." })),
})

export const ifNoneMatch = Type.Object({
  'if-none-match': Type.Optional(Type.String({ description: 'The ETag of the copy you have.' })),
})
