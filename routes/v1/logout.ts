import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RefreshToken } from '../../src/api/account-schemas.js'
import { problems } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { Problem } from '../../src/problems.js'
import { isWhole } from '../../src/tokens/access-tokens.js'

const Logout = Type.Partial(RefreshToken, {
  $id: 'Logout',
  additionalProperties: false,
  description: 'Empty, or the refresh token of the session if no access token is sent.',
  examples: [{}],
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Logout)

  app.post('/v1/logout', {
    preValidation: withoutBody,
    // Authenticated in the handler instead of by the guard: a second log-out is not an error, and a refresh token is
    // enough.
    config: { public: true },
    schema: {
      operationId: 'logout',
      tags: ['auth'],
      summary: 'Log out',
      description:
        'Ends the session of the access token, or of the refresh token in the body. Repeating the request is not ' +
        'an error.',
      body: ref(Logout),
      response: { 204: noContent('The session has ended.'), ...problems(400, 401, 413, 415) },
    },
    handler: async (request, reply) => {
      const { refresh_token: refreshToken } = request.body
      if (refreshToken !== undefined) await app.sessions.revokeByRefreshToken(refreshToken, clientOf(request))
      // With a refresh token, an expired access token is not an error.
      const caller = await request.identify().catch((error) => {
        if (refreshToken === undefined) throw error
      })
      if (caller && !isWhole(caller)) throw new Problem('insufficient_scope')
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
