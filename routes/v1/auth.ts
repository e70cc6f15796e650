import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  Login,
  locale,
  noContent,
  nullable,
  problemAnswer,
  problems,
  RefreshToken,
  ref,
  TokenPair,
  toLogin,
} from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { publicPath } from '../../src/config/public-url.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { ERRORS_SHOWN } from '../../src/http/validation-errors.js'
import { type FieldError, Problem } from '../../src/problems.js'

const Registration = Type.Object(
  {
    username: Type.Optional(
      nullable({
        maxLength: 128,
        description: 'A name to log in with, 3 to 32 characters; two are enough in Hangul, Han or Kana.',
      }),
    ),
    email: Type.Optional(nullable({ maxLength: 320, description: 'An address to log in with.' })),
    name: Type.Optional(nullable({ maxLength: 250, description: 'Display name, one line.' })),
    locale: Type.Optional(locale),
    password: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'The password: any characters; only the length and common passwords are checked.',
    }),
  },
  {
    $id: 'Registration',
    additionalProperties: false,
    description: 'A new account: a user name, an e-mail address, or both. Null and the empty text count as not given.',
    examples: [{ username: 'mina', email: 'mina@example.com', name: 'Mina', password: 'three quiet lanterns' }],
  },
)

const Credentials = Type.Object(
  {
    username: Type.Optional(nullable({ maxLength: 320, description: 'A user name, or an e-mail address.' })),
    email: Type.Optional(nullable({ maxLength: 320, description: 'An e-mail address, in place of `username`.' })),
    password: Type.String({ minLength: 1, maxLength: 256, description: 'The password.' }),
  },
  {
    $id: 'Credentials',
    additionalProperties: false,
    description: 'Either `username` or `email`, and the password.',
    examples: [{ username: 'mina', password: 'three quiet lanterns' }],
  },
)

const Logout = Type.Partial(RefreshToken, {
  $id: 'Logout',
  additionalProperties: false,
  description: 'Empty, or the refresh token of the session to end if there is no access token.',
  examples: [{}],
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const path = publicPath(app.config)
  app.addSchema(Registration)
  app.addSchema(Credentials)
  app.addSchema(RefreshToken)
  app.addSchema(Logout)

  app.post('/v1/register', {
    config: { public: true, rateLimit: 'network' },
    attachValidation: true,
    schema: {
      operationId: 'register',
      tags: ['auth'],
      summary: 'Create an account',
      description: 'Creates an account and logs in. Names are compared without case: `Mina` and `mina` are the same.',
      security: [],
      body: ref(Registration),
      response: {
        201: {
          description: 'The account and its first tokens.',
          headers: { Location: Type.String({ description: 'The URL of the account.' }) },
          content: { 'application/json': { schema: ref(Login) } },
        },
        ...problems(400, 409, 413, 415, 429),
        403: problemAnswer(403, 'registration_closed'),
      },
    },
    handler: async (request, reply) => {
      const { username, email } = identifiersIn(request, 'one or both')
      const { name, locale, password } = request.body
      const client = clientOf(request)
      const registration = { username, email, name: name || undefined, locale: locale ?? undefined, password }
      const login = await app.accounts.register(registration, client, {
        finish: async (user, db) => toLogin(user, await app.sessions.issue(user, client, db)),
      })
      return reply.code(201).header('location', `${path}/v1/me`).send(login)
    },
  })

  app.post('/v1/login', {
    config: { public: true, rateLimit: 'network' },
    attachValidation: true,
    schema: {
      operationId: 'login',
      tags: ['auth'],
      summary: 'Log in',
      description: 'Starts a session. An unknown name, a wrong password and a disabled account get the same response.',
      security: [],
      body: ref(Credentials),
      response: {
        200: ref(Login),
        ...problems(400, 413, 415, 429),
        401: problemAnswer(401, 'invalid_credentials'),
      },
    },
    handler: async (request) => {
      const { username, email } = identifiersIn(request, 'one')
      const identifier = username ?? email ?? ''
      const user = await app.accounts.authenticate(identifier, request.body.password, clientOf(request))
      return toLogin(user, await app.sessions.issue(user, clientOf(request)))
    },
  })

  app.post('/v1/refresh', {
    config: { public: true, rateLimit: 'refresh' },
    schema: {
      operationId: 'refreshSession',
      tags: ['auth'],
      summary: 'Get the next pair of tokens',
      description:
        'A refresh token works once. The last one is answered again for a few seconds, for a lost answer or two tabs; ' +
        'any older one ends the session, because somebody else may have it.',
      security: [],
      body: ref(RefreshToken),
      response: { 200: ref(TokenPair), ...problems(400, 413, 415, 429) },
    },
    handler: (request) => app.sessions.refresh(request.refreshClaims ?? request.body.refresh_token, clientOf(request)),
  })

  app.post('/v1/logout', {
    preValidation: withoutBody,
    // Checked below instead of by the guard: a second log-out is no error, and a refresh token will do as well.
    config: { public: true },
    schema: {
      operationId: 'logout',
      tags: ['auth'],
      summary: 'Log out',
      description:
        'Ends the session of the access token, or of the refresh token in the body. Repeating it is no error.',
      body: ref(Logout),
      response: { 204: noContent('The session has ended.'), ...problems(400, 401, 413, 415) },
    },
    handler: async (request, reply) => {
      const { refresh_token: refreshToken } = request.body
      if (refreshToken !== undefined) await app.sessions.revokeByRefreshToken(refreshToken, clientOf(request))
      // Beside a refresh token, an access token that has expired is no reason to refuse.
      const caller = await request.identify().catch((error) => {
        if (refreshToken === undefined) throw error
      })
      if (caller) await app.sessions.revoke(caller.sessionId, clientOf(request))
      return reply.code(204).send()
    },
  })
}

export default routes

/** A log-out with an access token needs no body. */
function withoutBody(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.body ??= {}
  done()
}

/**
 * The user name and the address of a body that names somebody; null and the empty text, which forms send, are none.
 * @throws Problem validation_failed with all that is wrong, also with what the schema says of the rest of the body
 */
function identifiersIn({ body, validationError }: FastifyRequest, wanted: 'one' | 'one or both') {
  const { username, email } = (body ?? {}) as { username?: string | null; email?: string | null }
  const invalid = validationError && toProblem(validationError)
  if (invalid && invalid.errors === undefined) throw invalid
  const errors: FieldError[] = []
  const say = (path: string, message: string) => errors.push({ in: 'body', path, message })
  if (!username && !email) say('/username', 'is required, unless email is given')
  else if (wanted === 'one' && username && email) say('/email', 'must not be given beside username')
  else if (wanted === 'one' && typeof email === 'string' && email !== '' && !email.includes('@')) {
    say('/email', 'must be an e-mail address such as name@example.com')
  }
  errors.push(...(invalid?.errors ?? []))
  if (errors.length > 0) throw new Problem('validation_failed', { errors: errors.slice(0, ERRORS_SHOWN) })
  return { username: username || undefined, email: email || undefined }
}
