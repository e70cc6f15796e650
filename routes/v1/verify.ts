import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Role } from '../../src/api/account-schemas.js'
import { problems } from '../../src/api/problem-schemas.js'
import { noContent } from '../../src/api/schemas.js'
import { SCOPE_WORD_PATTERN } from '../../src/clients/scopes.js'
import { endOfTick } from '../../src/event-loop.js'
import { sendProblem, toProblem } from '../../src/http/problem-answers.js'
import { Problem } from '../../src/problems.js'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/v1/verify', {
    config: { verifies: true },
    errorHandler: answerUnauthorized,
    schema: {
      operationId: 'verify',
      tags: ['auth'],
      summary: 'Verify an access token',
      description:
        'Verifies the access token of a request for a reverse proxy (nginx auth_request, Traefik forwardAuth). ' +
        'For a valid token, the response is 204 with the identity of the caller in the headers; otherwise 401. A ' +
        'token of another client, or an API key, is accepted only if the query names a scope that it has; ' +
        'otherwise the response is 403. A token that was requested for another `resource` is 401.',
      querystring: Type.Object(
        {
          scope: Type.Optional(
            Type.String({
              maxLength: 64,
              pattern: SCOPE_WORD_PATTERN,
              description: 'The scope that a token of another client, or an API key, must have.',
            }),
          ),
        },
        { additionalProperties: false },
      ),
      response: {
        204: noContent('The token is valid.', {
          'X-Latchkey-Subject': Type.String({
            description: 'The id of the user, or of the client if it acts on its own behalf.',
          }),
          'X-Latchkey-Role': { ...Role, description: 'Only for a token without scopes: the role of the user.' },
          'X-Latchkey-Session': Type.String({ description: 'Only for a token without scopes: the id of the session.' }),
          'X-Latchkey-Scope': Type.String({
            description: 'Only for a token with scopes: all its scopes, separated by spaces.',
          }),
          'X-Latchkey-Client': Type.String({
            description: 'Only for a token with scopes: the client of the token; `latchkey` for an API key.',
          }),
        }),
        ...problems(400, 401, 403),
      },
    },
    handler: async ({ caller }, reply) => {
      await endOfTick()
      reply.code(204)
      if (caller.kind === 'user' && caller.scopes === undefined) {
        return reply
          .header('x-latchkey-subject', caller.userId)
          .header('x-latchkey-role', caller.role)
          .header('x-latchkey-session', caller.sessionId)
          .send()
      }
      return reply
        .header('x-latchkey-subject', caller.kind === 'user' ? caller.userId : caller.clientId)
        .header('x-latchkey-scope', app.knownClients.heldBy(caller.clientId, caller.scopes ?? []).join(' '))
        .header('x-latchkey-client', caller.clientId)
        .send()
    },
  })
}

export default routes

/** For a forwarding proxy, an unreadable Authorization header counts as no token: nginx turns a 400 into a 500. */
function answerUnauthorized(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error)
  const isCallersFault = problem.status >= 400 && problem.status < 500 && ![401, 403].includes(problem.status)
  return sendProblem(isCallersFault ? new Problem('invalid_token', { cause: problem }) : problem, request, reply)
}
