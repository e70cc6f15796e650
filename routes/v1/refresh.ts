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
        'Exchanges a refresh token for a new pair of tokens. A refresh token works once. The previous refresh ' +
        'token is accepted again for a few seconds, in case a response was lost or two tabs refresh together. ' +
        'Any older refresh token ends the session, because the token may be stolen.',
      security: [],
      body: ref(RefreshToken),
      response: { 200: ref(TokenPair), ...problems(400, 413, 415, 429) },
    },
    handler: (request) => app.rotation.refresh(request.refreshClaims ?? request.body.refresh_token, clientOf(request)),
  })
}

export default routes
