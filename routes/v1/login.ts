import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { TICKET_MAX_LENGTH } from '../../src/accounts/login-tickets.js'
import { Login, toLogin } from '../../src/api/account-schemas.js'
import { identifiersIn } from '../../src/api/identifiers.js'
import { problemAnswer, problems, TICKET_EXAMPLE } from '../../src/api/problem-schemas.js'
import { nullable, ref } from '../../src/api/schemas.js'
import { factorIn } from '../../src/api/second-factors.js'
import { clientOf } from '../../src/audit/requester.js'
import { ShownPasskey } from '../../src/factors/passkey-schemas.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const Credentials = Type.Object(
  {
    username: Type.Optional(
      nullable({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'A user name, or an e-mail address.' }),
    ),
    email: Type.Optional(
      nullable({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'An e-mail address, instead of `username`.' }),
    ),
    password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH, description: 'The password.' }),
  },
  {
    $id: 'Credentials',
    additionalProperties: false,
    description: 'Either `username` or `email`, and the password.',
    examples: [{ username: 'mina', password: 'three quiet lanterns' }],
  },
)

const FactorLogin = Type.Object(
  {
    ticket: Type.String({ minLength: 1, maxLength: TICKET_MAX_LENGTH, description: 'The ticket of the log-in.' }),
    totp: Type.Optional(Type.String({ minLength: 1, maxLength: 32, description: 'A code from an authenticator app.' })),
    recovery_code: Type.Optional(Type.String({ minLength: 1, maxLength: 32, description: 'A recovery code.' })),
    passkey: Type.Optional(ref(ShownPasskey)),
  },
  {
    $id: 'FactorLogin',
    additionalProperties: false,
    description: 'The ticket of a log-in, and one second factor.',
    examples: [{ ticket: 'c2VhbGVk', totp: '755224' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [Credentials, ShownPasskey, FactorLogin]) app.addSchema(schema)

  app.post('/v1/login', {
    config: { public: true, rateLimit: 'network' },
    attachValidation: true,
    schema: {
      operationId: 'login',
      tags: ['auth'],
      summary: 'Log in',
      description:
        'Starts a session. An unknown name, a wrong password and a disabled account get the same response. For ' +
        'an account with a second factor, the response is 403 `mfa_required` with a ticket for POST ' +
        '/v1/login/factor. If an account has no second factor but the setting MFA requires one, the response is ' +
        '403 `mfa_enrollment_required` with a ticket for POST /v1/login/enroll/totp or /passkey.',
      security: [],
      body: ref(Credentials),
      response: {
        200: ref(Login),
        ...problems(400, 413, 415, 429),
        401: problemAnswer(401, 'invalid_credentials'),
        403: problemAnswer(403, 'mfa_required', TICKET_EXAMPLE),
      },
    },
    handler: async (request) => {
      const { username, email } = identifiersIn(request, 'one')
      const identifier = username ?? email ?? ''
      const user = await app.logIn.authenticate(identifier, request.body.password, clientOf(request))
      return toLogin(user, await app.sessions.issue(user, clientOf(request)))
    },
  })

  app.post('/v1/login/factor', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'completeLogin',
      tags: ['auth'],
      summary: 'Complete a log-in with a second factor',
      description:
        'Completes a log-in with its ticket and one second factor: a TOTP code, a recovery code, or the response ' +
        'of a passkey to the options of `askForPasskey`.',
      security: [],
      body: ref(FactorLogin),
      response: {
        200: ref(Login),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'wrong_code'),
      },
    },
    handler: async (request) => {
      const { ticket, ...factor } = request.body
      const user = await app.logIn.complete(ticket, factorIn(factor), clientOf(request))
      return toLogin(user, await app.sessions.issue(user, clientOf(request)))
    },
  })
}

export default routes
