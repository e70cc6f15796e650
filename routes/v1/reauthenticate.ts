import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { FreshToken } from '../../src/api/account-schemas.js'
import { METHODS_EXAMPLE, problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { ShownPasskey } from '../../src/factors/passkey-schemas.js'
import { PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const Reauthentication = Type.Object(
  {
    current_password: Type.Optional(
      Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH, description: 'The current password.' }),
    ),
    totp: Type.Optional(Type.String({ minLength: 1, maxLength: 32, description: 'A code from an authenticator app.' })),
    recovery_code: Type.Optional(Type.String({ minLength: 1, maxLength: 32, description: 'A recovery code.' })),
    passkey: Type.Optional(ref(ShownPasskey)),
  },
  {
    $id: 'Reauthentication',
    additionalProperties: false,
    minProperties: 1,
    description:
      'One proof of your identity. An account with a second factor needs `totp`, `recovery_code` or `passkey`.',
    examples: [{ current_password: 'three quiet lanterns' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(ShownPasskey)
  app.addSchema(Reauthentication)
  app.addSchema(FreshToken)

  app.post('/v1/reauthenticate', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'reauthenticate',
      tags: ['auth'],
      summary: 'Authenticate again',
      description:
        'Returns an access token of the same session with a new `auth_time`, for operations that respond with ' +
        '401 `reauthentication_required` (RFC 9470). The refresh token of the session does not change.',
      body: ref(Reauthentication),
      response: {
        200: ref(FreshToken),
        ...problems(400, 401, 413, 415, 429),
        403: problemAnswer(403, 'mfa_required', METHODS_EXAMPLE),
      },
    },
    handler: (request) => app.stepUp.reauthenticate(request.user, request.body, clientOf(request)),
  })
}

export default routes
