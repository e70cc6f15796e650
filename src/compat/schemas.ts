import { type TSchema, Type } from '@sinclair/typebox'
import { retryAfter } from '../api/problem-schemas.js'
import { ref } from '../api/schemas.js'

// Schemas of the tutorials' responses, for their OpenAPI document and for serialisation.

const TOKEN_EXAMPLE = 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl'
const accessToken = Type.String({ description: 'The token. Send it as `Authorization: Bearer ...`.' })

export const AccessToken = Type.Object(
  { access_token: accessToken },
  {
    $id: 'AccessToken',
    description: 'The token, in the format of the Flask tutorials.',
    examples: [{ access_token: TOKEN_EXAMPLE }],
  },
)

export const BearerToken = Type.Object(
  { access_token: accessToken, token_type: Type.String() },
  {
    $id: 'BearerToken',
    description: 'The token and its type.',
    examples: [{ access_token: TOKEN_EXAMPLE, token_type: 'bearer' }],
  },
)

export const UserToken = Type.Object(
  { access_token: accessToken, token_type: Type.String(), username: Type.String() },
  {
    $id: 'UserToken',
    description: 'The token, its type and the user name.',
    examples: [{ access_token: TOKEN_EXAMPLE, token_type: 'bearer', username: 'dave' }],
  },
)

export const MsgError = Type.Object(
  { msg: Type.String() },
  { $id: 'MsgError', description: 'An error.', examples: [{ msg: 'Bad username or password' }] },
)

export const MessageError = Type.Object(
  { message: Type.String() },
  { $id: 'MessageError', description: 'An error.', examples: [{ message: 'Invalid username or password' }] },
)

export const SmorestError = Type.Object(
  { code: Type.Integer(), status: Type.String() },
  {
    $id: 'SmorestError',
    description: 'An error in the format of Flask-Smorest.',
    examples: [{ code: 400, status: 'Bad Request' }],
  },
)

export const DetailError = Type.Object(
  { detail: Type.String() },
  { $id: 'DetailError', description: 'An error.', examples: [{ detail: 'Incorrect username or password' }] },
)

export const ValidationError = Type.Object(
  {
    detail: Type.Array(
      Type.Object({
        type: Type.String({ description: 'The machine-readable type of the error.' }),
        loc: Type.Array(Type.Unsafe<string | number>({ type: ['string', 'integer'] }), {
          description: 'The location of the error, from the outermost part to the innermost.',
        }),
        msg: Type.String({ description: 'A human-readable description of the error.' }),
        input: Type.Unknown({ description: 'The invalid value, unless it may be a secret.' }),
        ctx: Type.Optional(Type.Unknown({ description: 'The values that `msg` refers to.' })),
      }),
    ),
  },
  {
    $id: 'ValidationError',
    description: 'The errors of the request, in the format of FastAPI.',
    examples: [{ detail: [{ type: 'missing', loc: ['body', 'password'], msg: 'Field required', input: null }] }],
  },
)

const COMMON: Record<number, string> = {
  413: 'The body is too large.',
  415: 'The Content-Type is not one that this operation takes.',
  429: 'Too many tries; see Retry-After.',
  500: 'A bug.',
  503: 'Not now; see Retry-After.',
}

/** A JSON response. */
export function json(description: string, schema: TSchema, headers?: Record<string, TSchema>) {
  return { description, ...(headers && { headers }), content: { 'application/json': { schema } } }
}

/** The responses that every operation may give, in the tutorial's error format. */
export function common(schema: TSchema, ...statuses: number[]) {
  return Object.fromEntries(
    [...statuses, 413, 415, 429, 500, 503].map((status) => [
      status,
      json(COMMON[status] ?? 'See the body.', schema, status === 429 || status === 503 ? retryAfter : undefined),
    ]),
  )
}

export function anyOf(...schemas: TSchema[]) {
  return Type.Union(schemas.map((schema) => ref(schema)))
}

/** FastAPI's OAuth2 password form. Each field has an example, because Swagger UI fills in the fields one by one. */
export const passwordFormFields = {
  username: Type.String({ examples: ['dave'] }),
  password: Type.String({ examples: ['three quiet lanterns'] }),
  grant_type: Type.Optional(Type.String({ examples: ['password'] })),
}
