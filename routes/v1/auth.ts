import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientOf } from '../../src/clients.js'
import { Problem } from '../../src/problems.js'
import { Login, noContent, problemAnswer, problems, RefreshToken, ref, TokenPair, toLogin } from '../../src/schemas.js'

const Registration = Type.Object(
  {
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'A name to log in with.' })),
    email: Type.Optional(Type.String({ minLength: 3, maxLength: 320, description: 'An address to log in with.' })),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 250, description: 'How you are called.' })),
    password: Type.String({ minLength: 1, maxLength: 256, description: 'Any characters; length is what counts.' }),
  },
  {
    $id: 'Registration',
    additionalProperties: false,
    description: 'A new account: a user name, an e-mail address, or both.',
    examples: [{ username: 'mina', email: 'mina@example.com', name: 'Mina', password: 'three quiet lanterns' }],
  },
)

const Credentials = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 320, description: 'A user name or an e-mail address.' }),
    password: Type.String({ minLength: 1, maxLength: 256, description: 'As it was registered.' }),
  },
  {
    $id: 'Credentials',
    additionalProperties: false,
    description: 'Who you are, and the proof.',
    examples: [{ username: 'mina', password: 'three quiet lanterns' }],
  },
)

const Logout = Type.Partial(RefreshToken, {
  $id: 'Logout',
  additionalProperties: false,
  description: 'Nothing, or the refresh token of the session where there is no access token.',
  examples: [{}],
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Registration)
  app.addSchema(Credentials)
  app.addSchema(RefreshToken)
  app.addSchema(Logout)

  app.post('/v1/register', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'register',
      tags: ['auth'],
      summary: 'Create an account',
      description: 'Creates an account and logs in. Names differ by more than case: `Mina` and `mina` are one.',
      security: [],
      body: ref(Registration),
      response: {
        201: {
          description: 'The account and its first tokens.',
          headers: { Location: Type.String({ description: 'Where the account is.' }) },
          content: { 'application/json': { schema: ref(Login) } },
        },
        ...problems(400, 409, 413, 415, 429),
        403: problemAnswer(403, 'registration_closed'),
      },
    },
    handler: async (request, reply) => {
      const { username, email } = request.body
      if (username === undefined && email === undefined) {
        const errors = [{ in: 'body', path: '', message: 'must have username or email' }]
        throw new Problem('validation_failed', { errors })
      }
      const user = await app.accounts.register(request.body, clientOf(request))
      const tokens = await app.sessions.issue(user, clientOf(request))
      return reply.code(201).header('location', '/v1/me').send(toLogin(user, tokens))
    },
  })

  app.post('/v1/login', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'login',
      tags: ['auth'],
      summary: 'Log in',
      description: 'Begins a session. Unknown, wrong and disabled are answered alike.',
      security: [],
      body: ref(Credentials),
      response: {
        200: ref(Login),
        ...problems(400, 413, 415, 429),
        401: problemAnswer(401, 'invalid_credentials'),
      },
    },
    handler: async (request) => {
      const { username, password } = request.body
      const user = await app.accounts.authenticate(username, password, clientOf(request))
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
    handler: (request) => app.sessions.refresh(request.body.refresh_token, clientOf(request)),
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
