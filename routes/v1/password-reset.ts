import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { problems } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'

const NewPassword = Type.Object(
  {
    token: Type.String({ minLength: 1, maxLength: 128, description: 'The one-time token that an admin gave you.' }),
    new_password: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'The new password.',
    }),
  },
  {
    $id: 'NewPassword',
    additionalProperties: false,
    description: 'A one-time token and the new password.',
    examples: [{ token: 'Zm9yLXRoaXMtcGFnZS1hbG9uZS0tLS0tLS0tLS0tLS0', new_password: 'four louder lanterns' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(NewPassword)

  app.post('/v1/password-reset', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'resetPassword',
      tags: ['auth'],
      summary: 'Set a new password with a one-time token',
      description: 'Sets the password and ends all sessions of the account; log in again with the new password.',
      security: [],
      body: ref(NewPassword),
      response: { 204: noContent('It is set.'), ...problems(400, 403, 413, 415, 429) },
    },
    handler: async (request, reply) => {
      const { token, new_password: password } = request.body
      const client = clientOf(request)
      const grant = await app.oneTimeTokens.find(['password_reset'], { token }, client.ip)
      // A password that is refused, or a queue that is full, must not use the token up; and of two uses at once one counts.
      const passwordHash = await app.newPasswords.hash(grant.user, password, client)
      await app.newPasswords.reset(grant, passwordHash, client)
      return reply.code(204).send()
    },
  })
}

export default routes
