import { type TSchema, Type } from '@sinclair/typebox'
import { PROBLEMS, type ProblemCode, Problem as PublicProblem } from '../problems.js'
import { ref } from './schemas.js'

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A URN that identifies the kind of problem.' }),
    title: Type.String({ description: 'A human-readable description of the error.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    code: Type.String({
      description: 'A machine-readable error code. The meaning of a code never changes; later versions may add codes.',
      // Not `enum`: clients generated today must accept codes that are added tomorrow.
      'x-extensible-enum': Object.keys(PROBLEMS),
    }),
    detail: Type.Optional(Type.String({ description: 'What is wrong with this particular request, and what to do.' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          in: Type.String({ description: 'The part of the request: body, querystring, params or headers.' }),
          path: Type.String({ description: 'The location within that part, as a JSON Pointer.' }),
          message: Type.String({ description: 'A human-readable description of the violation.' }),
        }),
        { description: 'Every part of the request that does not match the schema.' },
      ),
    ),
    ticket: Type.Optional(
      Type.String({
        description:
          'With `mfa_required`: the ticket for POST /v1/login/factor, valid for five minutes. With ' +
          '`mfa_enrollment_required`: the ticket for POST /v1/login/enroll/totp or /passkey, valid for 15 ' +
          'minutes.',
      }),
    ),
    methods: Type.Optional(
      Type.Array(Type.String({ 'x-extensible-enum': ['totp', 'passkey', 'recovery_code'] }), {
        description:
          'With `mfa_required`: the second factors that complete the log-in. With `mfa_enrollment_required`: the ' +
          'second factors that can be added.',
      }),
    ),
    confirmation: Type.Optional(
      Type.String({
        'x-extensible-enum': ['none', 'email', 'link'],
        description:
          'With `mfa_enrollment_required`: what to send to POST /v1/login/enroll/code before a factor can be ' +
          'added. `email`: a code that POST /v1/login/enroll/code/request mails; `link`: a token from an ' +
          'operator; `none`: no confirmation is needed.',
      }),
    ),
    request_id: Type.String({ description: 'The id of the request, as logged.' }),
  },
  {
    $id: 'Problem',
    description: 'An error in the format of RFC 9457, with a stable code.',
    examples: [new PublicProblem('not_found').toBody('fq3k1z-2b')],
  },
)

/** Members of `mfa_required` where a ticket replaces the first factor; elsewhere, the client repeats the request. */
export const TICKET_EXAMPLE = { ticket: 'c2VhbGVk', methods: ['totp', 'recovery_code'] }
export const METHODS_EXAMPLE = { methods: TICKET_EXAMPLE.methods }

/** The description of a status, and its usual code. */
const ERRORS: Record<number, { description: string; code: ProblemCode }> = {
  400: { description: 'The request is not valid; see `code` and `errors`.', code: 'validation_failed' },
  401: { description: 'No access token was sent, or it is not valid.', code: 'invalid_token' },
  403: { description: 'The access token lacks the required scope or role.', code: 'insufficient_scope' },
  404: { description: 'The resource does not exist, or it belongs to another user.', code: 'not_found' },
  409: { description: 'The name is taken, or the request conflicts with the current state.', code: 'username_taken' },
  412: { description: 'The row has changed since the client read it.', code: 'precondition_failed' },
  413: { description: 'The body is too large.', code: 'body_too_large' },
  415: { description: 'This operation does not support the Content-Type of the body.', code: 'unsupported_media_type' },
  429: { description: 'Too many attempts; see Retry-After.', code: 'too_many_attempts' },
  431: { description: 'The headers are too large.', code: 'headers_too_large' },
  500: { description: 'A bug in the service; search the log for `request_id`.', code: 'internal_error' },
  503: { description: 'Temporarily unavailable; see Retry-After.', code: 'database_unavailable' },
}

export const retryAfter = { 'Retry-After': Type.Integer({ description: 'Seconds to wait before trying again.' }) }

/** The headers that each response of a status has, whatever its code. */
const HEADERS: Record<number, Record<string, TSchema>> = {
  401: { 'WWW-Authenticate': Type.String({ description: 'The authentication challenge, RFC 6750 section 3.' }) },
  429: retryAfter,
  503: retryAfter,
}

/** Responses for these statuses, plus 500, 503 and `default`, all `Problem`. With 401, also 403. */
export function problems<const Status extends number>(...statuses: Status[]) {
  // An operation that takes a token can also get a token without the required scope or role.
  const guarded = (statuses as number[]).includes(401) ? [403] : []
  const all = [...new Set([...statuses, ...guarded, 500, 503])].sort()
  return {
    ...Object.fromEntries(all.map((status) => [status, problemAnswer(status)])),
    // Errors before the operation: 405, 408, 431. They share the format.
    default: { description: 'Any other error.', content: problemContent('method_not_allowed') },
  } as unknown as Record<Status | 500 | 503, TSchema>
}

/**
 * The response of one status with another code than the usual: the description is that of the code, and the example
 * includes its members.
 */
export function problemAnswer(status: number, code?: ProblemCode, extension?: Record<string, unknown>): TSchema {
  const usual = ERRORS[status] ?? { description: 'An error.', code: 'internal_error' }
  return {
    description: code ? PROBLEMS[code].title : usual.description,
    ...(HEADERS[status] && { headers: HEADERS[status] }),
    content: problemContent(code ?? usual.code, extension),
  } as unknown as TSchema
}

function problemContent(code: ProblemCode, extension?: Record<string, unknown>) {
  const errors = code === 'validation_failed' ? [{ in: 'body', path: '/name', message: 'must be a string' }] : undefined
  const particulars = { ...(errors && { errors }), ...(extension && { extension }) }
  const example = new PublicProblem(code, particulars).toBody('fq3k1z-2b')
  return { 'application/problem+json': { schema: ref(Problem), example } }
}
