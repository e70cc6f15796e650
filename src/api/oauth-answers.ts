import { parse } from 'node:querystring'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { logFault, toProblem } from '../http/problem-answers.js'
import { OAuthError, type OAuthErrorCode } from '../oauth-error.js'
import { Problem, type ProblemCode } from '../problems.js'
import { retryAfter } from './problem-schemas.js'
import { ref } from './schemas.js'

/** The fields of client authentication, RFC 6749 section 2.3.1 and RFC 7521 section 4.2. */
export const clientFields = {
  client_id: Type.Optional(
    Type.String({ maxLength: 128, description: 'The id of the client, if any.', examples: [''] }),
  ),
  client_secret: Type.Optional(
    Type.String({
      maxLength: 256,
      description: 'The client secret, for `client_secret_post`. HTTP Basic works as well.',
      examples: [''],
    }),
  ),
  client_assertion: Type.Optional(
    Type.String({ maxLength: 8_192, description: 'The signed assertion, for `private_key_jwt`.', examples: [''] }),
  ),
  client_assertion_type: Type.Optional(
    Type.String({
      maxLength: 128,
      description:
        'The type of the assertion, for `private_key_jwt`: ' +
        '`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.',
      examples: [''],
    }),
  ),
}

export const OAuthErrorBody = Type.Object(
  {
    error: Type.String({ description: 'The error code, RFC 6749 section 5.2.' }),
    error_description: Type.Optional(Type.String({ description: 'A human-readable description of the error.' })),
  },
  {
    $id: 'OAuthError',
    description: 'An error in the format of OAuth 2.',
    examples: [{ error: 'invalid_grant', error_description: 'The user name or the password is wrong.' }],
  },
)

/** Parses a form. @throws Problem malformed_body, OAuthError invalid_request for a repeated parameter (RFC 6749, 3.2) */
export function parseForm(text: string): Record<string, unknown> {
  const form = parse(text)
  // The JSON parser refuses these names too: they could pollute prototypes.
  if ('__proto__' in form || 'constructor' in form || 'prototype' in form) throw new Problem('malformed_body')
  if (Object.values(form).some(Array.isArray)) throw new OAuthError('invalid_request', 'A parameter is repeated.')
  return form
}

const OAUTH_CODES: Partial<Record<ProblemCode, OAuthErrorCode>> = {
  email_unverified: 'invalid_grant',
  invalid_credentials: 'invalid_grant',
  invalid_grant: 'invalid_grant',
  mfa_enrollment_required: 'mfa_enrollment_required',
  mfa_required: 'mfa_required',
  rate_limited: 'slow_down',
  too_many_attempts: 'slow_down',
}

/** Sends any error in the format of OAuth 2. */
export function answerOAuthError(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { error: code, message, status, headers } = error instanceof OAuthError ? error : toOAuthError(error, request)
  return reply.code(status).headers(headers).send({ error: code, error_description: message })
}

/** The OpenAPI responses for errors of an OAuth operation. */
export function oauthErrors<const Status extends number>(...statuses: Status[]) {
  const answer = {
    description: 'An OAuth error; see `error`.',
    content: { 'application/json': { schema: ref(OAuthErrorBody) } },
  }
  const later = { ...answer, headers: retryAfter }
  return Object.fromEntries(
    statuses.map((status) => [status, status === 429 || status === 503 ? later : answer]),
  ) as Record<Status, typeof answer>
}

function toOAuthError(error: Error, request: FastifyRequest): OAuthError {
  const problem = toProblem(error)
  const { 'retry-after': retryAfter } = problem.headers
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
  logFault(problem, request)
  const { status } = problem
  if (status >= 500) {
    return new OAuthError(status === 503 ? 'temporarily_unavailable' : 'server_error', problem.message, {
      status,
      headers,
    })
  }
  const code = OAUTH_CODES[problem.code] ?? 'invalid_request'
  // RFC 6749 section 5.2: the status is 400, even if the problem has another.
  const isRefusal = code === 'invalid_grant' || code.startsWith('mfa_')
  return new OAuthError(code, descriptionOf(problem), { status: isRefusal ? 400 : status, headers })
}

/** The format has no `errors`, so the description lists them; and this endpoint takes forms instead of JSON. */
function descriptionOf({ code, message, errors = [] }: Problem): string {
  const isBodyMissing = errors.some(({ path }) => path === '')
  if (code === 'unsupported_media_type' || isBodyMissing)
    return 'Send the body with Content-Type: application/x-www-form-urlencoded.'
  if (code !== 'validation_failed') return message
  return `${errors.map(({ path, message }) => `The ${path.slice(1)} ${message}`).join('. ')}.`
}
