import { parse } from 'node:querystring'
import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { TOKEN_MAX_LENGTH, TokenPair } from '../../src/api/account-schemas.js'
import { retryAfter } from '../../src/api/problem-schemas.js'
import { ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { logFault, toProblem } from '../../src/http/problem-answers.js'
import { Problem, type ProblemCode } from '../../src/problems.js'
import type { Tokens } from '../../src/sessions/token-pairs.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

// With examples of their own, because the page fills its fields with them one by one.
const TokenRequest = Type.Object(
  {
    grant_type: Type.String({ description: '`password` or `refresh_token`.', examples: ['password'] }),
    username: Type.Optional(
      Type.String({
        maxLength: IDENTIFIER_MAX_LENGTH,
        description: 'For `password`: user name or e-mail address.',
        examples: ['mina'],
      }),
    ),
    password: Type.Optional(
      Type.String({
        maxLength: PASSWORD_MAX_LENGTH,
        description: 'For `password`.',
        examples: ['three quiet lanterns'],
      }),
    ),
    refresh_token: Type.Optional(
      Type.String({ maxLength: TOKEN_MAX_LENGTH, description: 'For `refresh_token`.', examples: [''] }),
    ),
    scope: Type.Optional(Type.String({ description: 'Leave empty: there are no scopes.', examples: [''] })),
    client_id: Type.Optional(Type.String({ description: 'Not needed.', examples: [''] })),
  },
  {
    $id: 'TokenRequest',
    // Open: parameters that are not known are ignored, says RFC 6749 section 3.2.
    description: 'An OAuth 2 token request, RFC 6749 sections 4.3.2 and 6.',
    examples: [{ grant_type: 'password', username: 'mina', password: 'three quiet lanterns' }],
  },
)

const OAuthError = Type.Object(
  {
    error: Type.String({ description: 'RFC 6749 section 5.2.' }),
    error_description: Type.Optional(Type.String({ description: 'What went wrong, as text for people.' })),
  },
  {
    $id: 'OAuthError',
    description: "An error in OAuth 2's format.",
    examples: [{ error: 'invalid_grant', error_description: 'The user name or the password is wrong.' }],
  },
)

/** RFC 6749 section 5.2, and what it has no word for: RFC 8628's slow_down, and server_error of section 4.1.2.1. */
class GrantError extends Error {
  constructor(
    readonly error: string,
    message: string,
    readonly status = 400,
    readonly headers: Record<string, string> = {},
  ) {
    super(message)
  }
}

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(TokenRequest)
  app.addSchema(OAuthError)
  app.removeAllContentTypeParsers()
  await app.register(formbody, { parser: parseForm })

  app.post('/v1/token', {
    config: { public: true, rateLimit: 'refresh' },
    errorHandler: answerOAuthError,
    schema: {
      operationId: 'createToken',
      tags: ['auth'],
      summary: 'Get tokens (OAuth 2 token endpoint)',
      description:
        'The token endpoint of RFC 6749, for OAuth 2 clients and for the Authorize button of this page. The password ' +
        "grant is for first-party clients alone: OAuth's own advice (RFC 9700) is against it, and it can be switched off.",
      security: [],
      consumes: ['application/x-www-form-urlencoded'],
      body: ref(TokenRequest),
      response: { 200: ref(TokenPair), ...oauthErrors(400, 401, 413, 415, 429, 500, 503) },
    },
    handler: async (request): Promise<Tokens> => {
      refuseClientSecret(request.headers.authorization)
      const { scope } = request.body
      const grantType = required(request.body, 'grant_type')
      if (scope) throw new GrantError('invalid_scope', 'There are no scopes to ask for.')
      if (grantType === 'refresh_token')
        return app.rotation.refresh(required(request.body, 'refresh_token'), clientOf(request))
      if (grantType !== 'password' || !app.config.PASSWORD_GRANT) {
        throw new GrantError('unsupported_grant_type', 'This grant_type is not answered here.')
      }
      const username = required(request.body, 'username')
      const user = await app.logIn.authenticate(username, required(request.body, 'password'), clientOf(request))
      return app.sessions.issue(user, clientOf(request))
    },
  })
}

export default routes

function required(
  body: Static<typeof TokenRequest>,
  name: 'grant_type' | 'username' | 'password' | 'refresh_token',
): string {
  const value = body[name]
  if (!value) throw new GrantError('invalid_request', `The parameter ${name} is missing.`)
  return value
}

/** There are no clients with secrets. Swagger UI sends an empty Basic header all the same, so that one is ignored. */
function refuseClientSecret(authorization: string | undefined): void {
  const encoded = /^basic +(.*)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined || /:$/.test(Buffer.from(encoded, 'base64').toString())) return
  throw new GrantError('invalid_client', 'There are no client secrets here.', 401, {
    'www-authenticate': 'Basic realm="latchkey"',
  })
}

function parseForm(text: string): Record<string, unknown> {
  const form = parse(text)
  // JSON bodies are refused for these names too.
  if ('__proto__' in form || 'constructor' in form || 'prototype' in form) throw new Problem('malformed_body')
  return form
}

const GRANT_ERRORS: Partial<Record<ProblemCode, string>> = {
  invalid_credentials: 'invalid_grant',
  invalid_grant: 'invalid_grant',
  rate_limited: 'slow_down',
  too_many_attempts: 'slow_down',
}

function answerOAuthError(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { error: code, message, status, headers } = error instanceof GrantError ? error : toGrantError(error, request)
  return reply.code(status).headers(headers).send({ error: code, error_description: message })
}

function toGrantError(error: Error, request: FastifyRequest): GrantError {
  const problem = toProblem(error)
  const { 'retry-after': retryAfter } = problem.headers
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
  logFault(problem, request)
  if (problem.status >= 500) {
    const code = problem.status === 503 ? 'temporarily_unavailable' : 'server_error'
    return new GrantError(code, problem.message, problem.status, headers)
  }
  const code = GRANT_ERRORS[problem.code] ?? 'invalid_request'
  return new GrantError(code, descriptionOf(problem), code === 'invalid_grant' ? 400 : problem.status, headers)
}

/** There is no `errors` in this answer, and a form has another type than JSON. */
function descriptionOf({ code, message, errors = [] }: Problem): string {
  if (code === 'unsupported_media_type') return 'Send the body with Content-Type: application/x-www-form-urlencoded.'
  if (code !== 'validation_failed') return message
  return `${errors.map(({ path, message }) => `The ${path.slice(1) || 'body'} ${message}`).join('. ')}.`
}

function oauthErrors<const Status extends number>(...statuses: Status[]) {
  const answer = { description: 'See `error`.', content: { 'application/json': { schema: ref(OAuthError) } } }
  const later = { ...answer, headers: retryAfter }
  return Object.fromEntries(
    statuses.map((status) => [status, status === 429 || status === 503 ? later : answer]),
  ) as Record<Status, typeof answer>
}
