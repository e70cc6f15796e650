import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { RefreshToken, TokenPair } from '../../src/api/account-schemas.js'
import { problems } from '../../src/api/problem-schemas.js'
import { ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(RefreshToken)

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
    handler: (request) => app.rotation.refresh(request.refreshClaims ?? request.body.refresh_token, clientOf(request)),
  })
}

export default routes
