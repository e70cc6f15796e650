import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Login, toLogin } from '../../src/api/account-schemas.js'
import { identifiersIn } from '../../src/api/identifiers.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { nullable, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const Credentials = Type.Object(
  {
    username: Type.Optional(
      nullable({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'A user name, or an e-mail address.' }),
    ),
    email: Type.Optional(
      nullable({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'An e-mail address, in place of `username`.' }),
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

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Credentials)

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
        403: problemAnswer(403, 'email_unverified'),
      },
    },
    handler: async (request) => {
      const { username, email } = identifiersIn(request, 'one')
      const identifier = username ?? email ?? ''
      const user = await app.logIn.authenticate(identifier, request.body.password, clientOf(request))
      return toLogin(user, await app.sessions.issue(user, clientOf(request)))
    },
  })
}

export default routes
