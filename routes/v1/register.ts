import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/clients.js'
import { Problem } from '../../src/problems.js'
import { Login, problems, ref, toLogin } from '../../src/schemas.js'

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

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Registration)

  app.post('/v1/register', {
    config: { public: true, rateLimit: {} },
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
        ...problems(400, 403, 409, 413, 415, 429),
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
}

export default routes
