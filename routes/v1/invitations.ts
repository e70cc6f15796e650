import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Login, toLogin } from '../../src/api/account-schemas.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { nullable, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { Problem } from '../../src/problems.js'
import { PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const Acceptance = Type.Object(
  {
    token: Type.String({ minLength: 1, maxLength: 128, description: 'The one-time token from the invitation.' }),
    password: Type.String({
      minLength: 1,
      maxLength: PASSWORD_MAX_LENGTH,
      description: 'The password to log in with.',
    }),
    username: Type.Optional(nullable({ maxLength: 128, description: 'A user name to log in with.' })),
  },
  {
    $id: 'Acceptance',
    additionalProperties: false,
    description: 'The token from an invitation, and the password and user name to log in with.',
    examples: [{ token: 'lkt_...', password: 'three quiet lanterns' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Acceptance)

  app.post('/v1/invitations/accept', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'acceptInvitation',
      tags: ['auth'],
      summary: 'Accept an invitation',
      description:
        'Sets the password of an account that was created for you, and logs in. If the setting MFA requires a ' +
        'second factor, the response is 403 `mfa_enrollment_required` with a ticket; the invitation is used up ' +
        'nevertheless.',
      security: [],
      body: ref(Acceptance),
      response: {
        200: ref(Login),
        ...problems(400, 409, 413, 415, 429),
        403: problemAnswer(403, 'mfa_enrollment_required'),
      },
    },
    handler: async (request) => {
      const { token, password, username } = request.body
      const client = clientOf(request)
      const login = await app.invitations.accept(
        token,
        { password, username: username || undefined },
        {
          client,
          finish: async (user, db) => {
            // The invitation came from the operator or by mail, which confirms the user.
            if (app.enrollments.isNeeded(user)) return app.enrollments.refusal(user, 'pwd', { isConfirmed: true })
            return toLogin(user, await app.sessions.issue(user, client, db))
          },
        },
      )
      if (login instanceof Problem) throw login
      return login
    },
  })
}

export default routes
